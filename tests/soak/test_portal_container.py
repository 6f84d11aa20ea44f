"""What `deploy/compose.yaml` starts, as processes of this machine: its very commands, variables and folders.

PostgreSQL and Caddy are Debian's, the bucket is moto's; what stands for a container's path, name or port in
the compose file is exchanged for one of here. Web server and workers share nothing but database and bucket.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from organelle.catalog import load_catalog
from organelle.evaluate import make_truth, simulate
from organelle.files import sha256

for beside in (".", "fetch", "portal"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / beside))

from bucket_servers import s3_client, serve_s3  # noqa: E402
from postgres_server import serve_postgres  # noqa: E402
from running_portal import PREPARE, free_port  # noqa: E402

from deploy_files import DEPLOY, Compose, image_environment  # noqa: E402

pytestmark = pytest.mark.soak

BIN = Path(sys.executable).parent
PATIENCE_S = 90
CHOSEN = {
    "PORTAL_HOST": "localhost",
    "DATABASE_PASSWORD": "0f1e2d3c",
    "BUCKET_KEY": "portal",
    "BUCKET_SECRET": "4b5a6978",
    "CSC_PORTAL_CATALOG": "/challenge",
    "CSC_PORTAL_MAIL__HOST": "",
}

COUNTS = """
import json, sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from django.db import connection
from organelle.portal.scoring.models import JobEvent, Result, Worker
faults = JobEvent.objects.filter(what="fault").count()
stopped = Worker.objects.exclude(stopped=None).count()
print(json.dumps([connection.vendor, Worker.objects.count(), stopped, Result.objects.count(), faults]))
"""


@dataclass
class Here:
    """The compose file, on this machine: volumes are folders below `root`, other parts have ports of here."""

    compose: Compose
    root: Path
    ports: dict[str, int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def place(self, source: str) -> Path:
        """Where a volume, or a folder that is named, lies."""
        if source[0] in "./":
            return (DEPLOY / source).resolve()
        volume = self.root / "volumes" / source
        volume.mkdir(parents=True, exist_ok=True, mode=0o700)
        return volume

    def translated(self, service: str, text: str) -> str:
        """A word of a command, or a value of a variable, with what it means here."""
        for inside, source in self.compose.mounts(service).items():
            text = re.sub(rf"^{re.escape(inside)}(?=/|$)", str(self.place(source)), text)
        for name, port in self.ports.items():
            text = re.sub(rf"\b{name}:\d+", f"127.0.0.1:{port}", text)
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.ports['web']}")
        return str(self.ports["web"]) if text == "8000" else text

    def environment(self, service: str) -> dict[str, str]:
        """What a process of the service finds: what image and compose file set, and nothing of this shell.

        What numba has compiled is taken from where it is on this machine: to compile it anew takes a minute.
        """
        given = image_environment() | self.compose.environment(service)
        found = {name: self.translated(service, str(value)) for name, value in given.items()}
        found.pop("NUMBA_CACHE_DIR")
        return found | {"PATH": f"{BIN}:/usr/bin:/bin"}

    def start(self, service: str) -> subprocess.Popen[bytes]:
        """Its command; what it tells goes to a file beside the volumes."""
        command = self.command(service, self.compose.services[service]["command"])
        with self.log(service).open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment(service), cwd=self.root, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def command(self, service: str, words: list[str]) -> list[str]:
        program, *rest = (self.translated(service, word) for word in words)
        return [str(BIN / program), *rest]

    def run(self, service: str, *words: str) -> str:
        """As `docker compose exec SERVICE WORDS` would."""
        command = self.command(service, list(words))
        done = subprocess.run(
            command, env=self.environment(service), check=True, capture_output=True, text=True, cwd=self.root
        )
        return done.stdout

    def wait_until_healthy(self, service: str) -> None:
        """Ask as the compose file asks."""
        _, *words = self.compose.services[service]["healthcheck"]["test"]
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(self.command(service, words), capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or any(p.poll() is not None for p in self.processes):
                raise AssertionError(self.log(service).read_text()[-3000:])
            time.sleep(0.3)

    def outcome(self, handing_in: subprocess.Popen[bytes]) -> str:
        """What `csc submit --watch` has told in the end; all went well."""
        try:
            code = handing_in.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            handing_in.kill()
            code = handing_in.wait()
        told = self.log("submit").read_text()
        assert code == 0, told + self.log("worker").read_text()[-3000:]
        return told

    def log(self, service: str) -> Path:
        return self.root / f"{service}.log"

    def end(self) -> list[int]:
        """Ask all to end, as an engine does; their exit codes."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=self.grace_s) for process in self.processes]

    @property
    def grace_s(self) -> float:
        return float(self.compose.services["worker"]["stop_grace_period"].removesuffix("s"))


@contextmanager
def https(here: Here, port: int) -> Iterator[Path]:
    """Caddy with the deployment's own file in front of the web server; yields the certificate to trust."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("no Caddy is installed")
    home, file = here.root / "caddy", here.root / "Caddyfile"
    alone = "{\n\tadmin off\n\tskip_install_trust\n\tlocal_certs\n\tauto_https disable_redirects\n}\n"
    text = here.translated("proxy", (DEPLOY / "Caddyfile").read_text())
    file.write_text(alone + text)
    given = here.compose.environment("proxy")
    environment = {
        "PORTAL_HOST": f"{given['PORTAL_HOST']}:{port}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
    }
    with (here.root / "proxy.log").open("wb") as log:
        command = [program, "run", "--config", str(file), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        root = home / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        deadline = time.monotonic() + PATIENCE_S
        while not answers(port, root):
            assert process.poll() is None, (here.root / "proxy.log").read_text()[-3000:]
            assert time.monotonic() < deadline, (here.root / "proxy.log").read_text()[-3000:]
            time.sleep(0.2)
        yield root
    finally:
        process.terminate()
        process.wait(timeout=20)


def answers(port: int, root: Path) -> bool:
    try:
        return page(f"https://localhost:{port}/health/", root)[0] == 200
    except OSError:
        return False


def page(address: str, root: Path) -> tuple[int, dict[str, str], str]:
    """Status, headers, text."""
    context = ssl.create_default_context(cafile=str(root))
    with urllib.request.urlopen(address, context=context, timeout=20) as answer:
        return answer.status, dict(answer.headers), answer.read().decode()


class Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def challenge(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and truth, made of a phantom's training crops as the documentation says."""
    made = tmp_path_factory.mktemp("made") / "challenge"
    catalog = load_catalog(tiny_challenge)
    make_truth(catalog, tuple(catalog.train_crops)[:1], data=tiny_challenge / "bucket", out=made)
    return made


@pytest.fixture
def here(challenge: Path, tmp_path: Path) -> Iterator[Here]:
    """All parts, as the compose file starts them, one after the other."""
    chosen = CHOSEN | {"CHALLENGE": str(challenge), "TRUTH": str(challenge / "truth.zarr")}
    compose = Compose(chosen)
    (tmp_path / "nothing").mkdir()
    with ExitStack() as stack:
        given = compose.environment("database")
        user, password, name = (given[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB"))
        database = stack.enter_context(serve_postgres(user, name, password))
        name = compose.environment("bucket")["S3_BUCKET"]
        bucket = stack.enter_context(serve_s3(tmp_path / "nothing", name))
        ports = {"database": database, "bucket": int(bucket.rsplit(":", 1)[1]), "web": free_port()}
        found = Here(compose, tmp_path, ports)
        try:
            found.start("web")
            found.wait_until_healthy("web")
            for _ in range(compose.services["worker"]["deploy"]["replicas"]):
                found.start("worker")
            yield found
        finally:
            for process in found.processes:
                process.kill()
                process.wait()


def held(here: Here) -> list[str]:
    """Keys in the bucket."""
    client = s3_client(f"http://127.0.0.1:{here.ports['bucket']}")
    listed = client.list_objects_v2(Bucket=here.compose.environment("bucket")["S3_BUCKET"])
    client.close()
    return [item["Key"] for item in listed.get("Contents", [])]


def require_redirect(port: int) -> None:
    """Plain http is sent to https."""
    opener = urllib.request.build_opener(Straight)
    with pytest.raises(urllib.error.HTTPError) as told:
        opener.open(f"http://127.0.0.1:{port}/", timeout=20)
    assert told.value.code == 301
    assert told.value.headers["Location"] == f"https://127.0.0.1:{port}/"
    told.value.close()


def test_a_submission_goes_all_the_way(here: Here, challenge: Path) -> None:
    zipped = here.root / "ours.zip"
    simulate(challenge / "truth.zarr", load_catalog(challenge), zipped, seed=1)
    digest = sha256(zipped)
    token = here.root / "token"
    token.write_text(here.run("web", "python", "-c", PREPARE, "/portal"))

    require_redirect(here.ports["web"])
    port = free_port()
    with https(here, port) as root:
        link = here.run("web", "csc", "portal", "organiser", "--data", "/portal", "--email", "a@lab.example")
        assert link.startswith("https://localhost/sign-in/")
        status, headers, text = page(link.strip().replace("localhost", f"localhost:{port}"), root)
        assert status == 200
        assert "Strict-Transport-Security" in headers
        assert "a@lab.example" in text or "Sign in" in text
        command = [BIN / "csc", "submit", zipped, "--to", f"https://localhost:{port}", "--token-file", token]
        words = ["--method", "threshold", "--publish", "--watch", "--catalog", challenge]
        environment = {"PATH": os.environ["PATH"], "HOME": str(here.root), "SSL_CERT_FILE": str(root)}
        with here.log("submit").open("wb") as log:
            process = subprocess.Popen([*command, *words], env=environment, stdout=log, stderr=log)
        assert "overall 0." in here.outcome(process)
        assert "Golgi" in page(f"https://localhost:{port}/leaderboard/", root)[2]

    assert held(here) == [f"submissions/{digest[:2]}/{digest}.zip"]
    for volume in ("portal", "cache"):
        assert sha256(here.place(volume) / "submissions" / digest[:2] / f"{digest}.zip") == digest
    assert not (here.place("cache") / "secret.key").exists()
    assert here.end() == [0] * 3
    assert json.loads(here.run("web", "python", "-c", COUNTS, "/portal")) == ["postgresql", 2, 2, 1, 0]
