"""The rounds of a worker: take what is next, do it, and survive whatever goes wrong with the machine."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import DatabaseError, close_old_connections, connection

from organelle import __version__
from organelle.portal.scoring import queue
from organelle.portal.scoring.check import check
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.ending import Ended, Ending
from organelle.portal.scoring.faults import Full, is_full_disk, require_room
from organelle.portal.scoring.leases import fault, give_back, take_check, take_rows
from organelle.portal.scoring.models import Job, Worker
from organelle.portal.scoring.question import Exam, NoQuestion, Questions
from organelle.portal.scoring.score import score
from organelle.portal.scoring.threads import courier, heart
from organelle.portal.submissions.sweep import sweep

log = logging.getLogger("organelle.portal.scoring")

IDLE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between two tries while the database does not answer or a disk is full."""

BATCH = 32
"""Rows that are leased at once: enough that starting the children does not count, few enough that other
workers get some of a job, too."""

UPKEEP_SECONDS = 3600.0
FORGOTTEN_AFTER = timedelta(days=7)
"""Workers that were not seen for so long are no longer listed."""


class Rounds:
    """One worker: what it is called, what it asks, and how long it pauses.

    Two workers of one name are two: each has a number of its own.
    """

    def __init__(self, name: str, ending: Ending) -> None:
        self.worker = Worker(name=name[:120], version=__version__)
        self.ending = ending
        self._questions = Questions()
        self._pause = IDLE_SECONDS
        self._upkeep_due = float("-inf")

    def work(self) -> None:
        """Take one job after the other until the end is asked for; then give back what is not done."""
        if not self._register():
            return
        threads = heart(self.worker), courier()
        for thread in threads:
            thread.start()
        try:
            while not self.ending.asked.is_set():
                if not self._try():
                    self.ending.pause(self._pause * random.uniform(0.7, 1.3))
        except Ended:
            pass
        give_back(self.worker)  # first of all: whoever sent the signal does not wait for ever
        for thread in threads:
            thread.end()
        Worker.objects.filter(pk=self.worker.pk).update(stopped=database_time(), doing="")

    def _register(self) -> bool:
        """Be listed, as soon as the database and its tables are there; False if the end came first."""
        while not self.ending.asked.is_set():
            try:
                self.worker.started = self.worker.seen = database_time()
                self.worker.save(force_insert=True)
                return True
            except DatabaseError as error:
                log.warning("%s waits for the database: %s", self.worker.name, error)
                connection.close()
                self.ending.pause(IDLE_SECONDS)
        return False

    def _try(self) -> bool:
        """One round; False if there was nothing to do, or nothing can be done now: nobody loses by that."""
        close_old_connections()
        try:
            did = self._do_next()
        except (DatabaseError, OSError, Full) as error:
            log.warning("%s waits: %s", self.worker.name, error)
            connection.close()
            self._wait(error)
            return False
        except Exception as error:
            log.exception("%s failed between two jobs", self.worker.name)
            self._wait(error)
            return False
        self._pause = IDLE_SECONDS
        return did

    def _do_next(self) -> bool:
        require_room()
        self._keep_up()
        exam, trouble = self._exam()
        queue.derive_jobs(exam)
        if (job := take_check(self.worker)) is not None:
            self._tell(f"checks {job.submission_id}")
            return self._do(job, exam, lambda: check(job, self.worker, self.ending.waits))
        batch = take_rows(self.worker, exam.key, BATCH) if exam else None
        if exam is not None and batch is not None:
            self._tell(f"scores {batch.job.submission_id}")
            return self._do(batch.job, exam, lambda: score(batch, exam, self.worker, self.ending.waits))
        self._tell(f"waits: {trouble}" if trouble else "")
        return False

    def _exam(self) -> tuple[Exam | None, str]:
        """What is asked now, or why nothing is."""
        try:
            return self._questions.current(), ""
        except NoQuestion as error:
            return None, str(error)

    def _do(self, job: Job, exam: Exam | None, call: Callable[[], object]) -> bool:
        """Do a job; what goes wrong with it is a fault of ours unless truth, tables or a disk are the reason.

        False if it waits for those.
        """
        try:
            call()
        except DatabaseError:
            raise  # the lease runs out by itself
        except Exception as error:
            if is_full_disk(error):
                give_back(self.worker)
                raise Full(str(error)) from error
            if isinstance(error, NoQuestion) or self._is_truth_the_reason(job, exam):
                give_back(self.worker)
                self._questions.doubt()
                self._tell(f"waits: {error}")
                return False
            log.exception("%s could not do %s", self.worker.name, job)
            fault(job, self.worker, f"{type(error).__name__}: {error}"[:2000])
        return True

    def _is_truth_the_reason(self, job: Job, exam: Exam | None) -> bool:
        if job.kind != Job.Kind.SCORE or exam is None:
            return False
        try:
            return not exam.still_stands()
        except (NoQuestion, OSError):
            return True

    def _wait(self, error: Exception) -> None:
        """Pause longer each time, and say why where organisers look, if that can be written at all."""
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        try:
            self._tell(f"waits: {error}")
        except (DatabaseError, OSError):
            connection.close()

    def _tell(self, doing: str) -> None:
        if doing[:200] != self.worker.doing:
            self.worker.doing = doing[:200]
            Worker.objects.filter(pk=self.worker.pk).update(doing=self.worker.doing)

    def _keep_up(self) -> None:
        """Once an hour: clear away what nobody needs."""
        if time.monotonic() < self._upkeep_due:
            return
        self._upkeep_due = time.monotonic() + UPKEEP_SECONDS
        Worker.objects.filter(seen__lt=database_time() - FORGOTTEN_AFTER).delete()
        sweep()
        from organelle.portal.news.outgoing import forget_old  # a higher room
        from organelle.portal.news.subscribing import forget_unconfirmed

        forget_old()
        forget_unconfirmed()
