"""The portal for programs."""
