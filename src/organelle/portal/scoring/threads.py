"""What a worker does beside its work: it tells that it lives, and it carries mail out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.leases import renew
from organelle.portal.scoring.models import Worker

log = logging.getLogger("organelle.portal.scoring")

MAIL_SECONDS = 2.0


class Beside(threading.Thread):
    """Calls a function again and again, until `end`; what it cannot do now it tries the next time."""

    def __init__(self, what: str, call: Callable[[], object], every_seconds: float) -> None:
        super().__init__(name=what, daemon=True)
        self._call, self._every, self._over = call, every_seconds, threading.Event()

    def run(self) -> None:
        """Call until the end."""
        while not self._over.wait(self._every):
            close_old_connections()
            try:
                self._call()
            except (DatabaseError, OSError) as error:
                log.warning("%s: %s", self.name, error)
                connection.close()
            except Exception:
                log.exception("%s failed", self.name)
        connection.close()

    def end(self) -> None:
        """Let it finish what it is doing, not for long."""
        self._over.set()
        self.join(timeout=5)


def heart(worker: Worker) -> Beside:
    """Renews leases three times as often as they run out; a row that somebody deleted is made again."""

    def beat() -> None:
        renew(worker)
        if not Worker.objects.filter(pk=worker.pk).exists():
            worker.seen = database_time()
            worker.save(force_insert=True)

    return Beside("heartbeat", beat, settings.PORTAL.lease_seconds / 3)


def courier() -> Beside:
    """Sends what waits to be sent; mail does not wait for scores."""

    def carry() -> None:
        from organelle.portal.news.outgoing import send_due  # a higher room
        from organelle.portal.news.posting import mail_posts

        mail_posts()
        send_due()

    return Beside("mail", carry, MAIL_SECONDS)
