"""`csc portal`: from an empty folder to a portal that answers, in one command.

The parent prepares the folder and then only watches its children, the web server and the workers: one that
ends is started again, after a pause that grows.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from organelle.errors import SettingsError, require_installed
from organelle.portal.config import PortalConfig, load_config
from organelle.portal.demo import fill, lay_out
from organelle.portal.folder import PortalFolder

MODULES = ("django", "allauth", "ninja", "gunicorn", "whitenoise")
LONGEST_PAUSE_S = 30.0
LIVES_S = 60.0
"""A child that has lived so long is taken for sound, and its pauses begin anew."""
GRACE_S = 10.0


@dataclass
class Child:
    """A process that is kept alive."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    due: float = field(default_factory=time.monotonic)

    def tend(self, tell: Callable[[str], None]) -> None:
        """Start it if it is not running and its pause is over."""
        now = time.monotonic()
        if self.process is not None:
            if (code := self.process.poll()) is None:
                return
            self.failures = 1 if now - self.started > LIVES_S else self.failures + 1
            pause = min(0.5 * 2 ** (self.failures - 1), LONGEST_PAUSE_S)
            tell(f"{self.name} ended with {code}; it starts again in {pause:g} s")
            self.process, self.due = None, now + pause
        elif now >= self.due:
            self.process = subprocess.Popen(self.command, env=self.environment)
            self.started = now

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for its end; kill it at the deadline."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def portal(
    data: Path | str,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    demo: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Run the portal that lives in the folder `data` until SIGINT or SIGTERM; make what is missing.

    Args:
        data: its folder; an empty or missing one becomes a portal.
        port: where the web server listens.
        host: on which address.
        demo: fill an empty folder with a synthetic challenge, teams, submissions and posts.
        tell: gets the lines that the caller should show.

    Raises:
        MissingExtra: Django is not installed.
        SettingsError: the port is in use, or `portal.toml` cannot be used.
        OutputExists: `demo`, and the folder holds another portal.
    """
    folder = Path(data)
    require_free(port, host)
    if demo:
        lay_out(folder, tell)
    config = prepare(folder, port)
    if demo:
        fill(folder)
    if link := first_link():
        tell(f"the first organiser signs in here, once, within 30 minutes:\n  {link}")
    tell(f"portal on http://{host}:{port}/ from {data}; Ctrl-C ends it")
    supervise(children(folder, port, host, config), tell)


def environment_of(folder: Path, port: int) -> dict[str, str]:
    """The variables with which processes of the portal in `folder` run."""
    return os.environ | {
        "CSC_PORTAL_FOLDER": str(folder.resolve()),
        "CSC_PORTAL_PORT": str(port),
        "DJANGO_SETTINGS_MODULE": "organelle.portal.settings",
    }


def prepare(folder: Path, port: int = 8000) -> PortalConfig:
    """Make keys, folders and tables; `django` is set up in this process afterwards.

    Raises:
        MissingExtra: Django is not installed.
        SettingsError: the configuration cannot be used.
    """
    require_installed(MODULES, "portal")
    config = load_config(folder, os.environ)
    PortalFolder(folder).make()
    os.environ.update(environment_of(folder, port))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    return config


def first_link() -> str | None:
    """A link by which the first organiser signs in; None when there is one already."""
    from django.conf import settings

    from organelle.portal.accounts.models import LoginLink, User

    if User.objects.filter(is_staff=True, is_active=True).exists():
        return None
    LoginLink.objects.filter(makes_organiser=True, used=None).delete()
    _, word = LoginLink.make("organiser@localhost", makes_organiser=True)
    return f"{settings.PORTAL_URL}/sign-in/{word}/"


def require_free(port: int, host: str) -> None:
    """Raise `SettingsError` if nobody could listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"port {port} of {host} cannot be used ({error.strerror}); name another one with --port"
            ) from None


def children(folder: Path, port: int, host: str, config: PortalConfig) -> list[Child]:
    """The web server, and the workers."""
    environment = environment_of(folder, port)
    web = [
        sys.executable, "-m", "gunicorn", "organelle.portal.wsgi:application", "--bind", f"{host}:{port}",
        "--worker-class", "gthread", "--workers", str(config.web_processes), "--threads", str(config.threads),
        "--timeout", "120", "--graceful-timeout", "5", "--log-level", "warning",
        "--worker-tmp-dir", "/dev/shm",
    ]  # fmt: skip
    if not Path("/dev/shm").is_dir():
        web = web[:-2]
    work = [sys.executable, "-m", "organelle.portal.scoring.worker"]
    return [
        Child("web", web, environment),
        *(Child(f"worker-{n}", [*work, f"worker-{n}"], environment) for n in range(1, config.workers + 1)),
    ]


def supervise(crew: list[Child], tell: Callable[[str], None]) -> None:
    """Keep `crew` alive until SIGINT or SIGTERM, then let them end."""
    with _ending() as over:
        while not over:
            for child in crew:
                child.tend(tell)
            time.sleep(0.2)
    for child in crew:
        child.ask_to_end()
    deadline = time.monotonic() + GRACE_S
    for child in crew:
        child.end(deadline)


@contextmanager
def _ending() -> Iterator[list[int]]:
    """A list that gets an entry when somebody wants the end."""
    over: list[int] = []
    before = {
        sign: signal.signal(sign, lambda sign, _: over.append(sign))
        for sign in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield over
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
