"""The tour: all stages over a synthetic cell or a real mini challenge, with baselines beside every score."""

from organelle.demo.tour import demo

__all__ = ["demo"]
