"""What the challenge is: phases, pages, limits, the audit log."""
