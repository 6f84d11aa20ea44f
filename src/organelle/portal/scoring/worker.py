"""`python -m organelle.portal.scoring.worker NAME`: takes jobs until it is told to end.

It may be killed at any moment: what it had leased runs out and is done by another. SIGTERM lets it give its
leases back first. On other machines it is started with the portal's variables (`CSC_PORTAL_FOLDER`,
`CSC_PORTAL_DATABASE`, ...).
"""

from __future__ import annotations

import os
import socket
import sys


def main(name: str) -> int:
    """Work until SIGTERM or SIGINT; returns the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "organelle.portal.settings")
    import django

    django.setup()
    from django.conf import settings

    if settings.FOLDER is None:
        print("which portal? Name its folder in CSC_PORTAL_FOLDER", file=sys.stderr)
        return 2
    settings.FOLDER.make_places()
    from organelle.portal.scoring.ending import Ending
    from organelle.portal.scoring.rounds import Rounds

    ending = Ending()
    ending.listen()
    Rounds(name, ending).work()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else socket.gethostname()))
