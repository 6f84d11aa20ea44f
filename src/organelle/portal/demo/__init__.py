"""`csc portal --demo`: two drawn datasets with their truth, teams, submissions being scored, and posts.

`lay_out` makes the challenge and the configuration before the portal starts, `fill` the people and what they
hand in. Both do only what is missing, so that a demo that was killed goes on.
"""

from organelle.portal.demo.filled import fill
from organelle.portal.demo.laid_out import lay_out

__all__ = ["fill", "lay_out"]
