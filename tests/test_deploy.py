"""The files in `deploy/` name what there is: settings, commands, ports, images, paths."""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import pytest
import typer

from deploy_files import DEPLOY, PLACE, Compose, Unset, env_example, image_environment, instructions
from organelle.cli.portal import portal_app
from organelle.errors import SettingsError
from organelle.portal.config import PREFIX, PortalConfig, load_config

sys.path.insert(0, str(DEPLOY))

from audit import verdict

CHOSEN = {
    "PORTAL_HOST": "portal.example",
    "DATABASE_PASSWORD": "word",
    "BUCKET_KEY": "key",
    "BUCKET_SECRET": "secret",
    "TRUTH": "/data/truth.zarr",
}
OURS = ("web", "worker")


@pytest.fixture
def compose() -> Compose:
    return Compose(CHOSEN)


def config(compose: Compose, service: str) -> PortalConfig:
    return load_config(None, compose.environment(service))


def offered() -> dict[str, str]:
    """What `env.example` sets or offers."""
    found = re.findall(r"^#?([A-Z_0-9]+)=(.*)$", (DEPLOY / "env.example").read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("service", OURS)
def test_every_setting_is_one_that_the_portal_knows(compose: Compose, service: str) -> None:
    found = config(compose, service)
    assert found.production
    assert found.url == "https://portal.example"
    assert set(found.hosts) == {"portal.example", "127.0.0.1"}
    with pytest.raises(SettingsError, match="databse"):
        load_config(None, compose.environment(service) | {"CSC_PORTAL_DATABSE": "x"})


def test_what_is_offered_in_the_example_is_known_or_asked_for(compose: Compose) -> None:
    asked = {match["name"] for match in PLACE.finditer((DEPLOY / "compose.yaml").read_text())}
    ours = {name for name in offered() if name.startswith(PREFIX)}
    assert set(offered()) - ours == asked
    load_config(None, {name: value or "x" for name, value in offered().items()})


@pytest.mark.parametrize("name", sorted(CHOSEN))
def test_nothing_starts_before_it_is_chosen(name: str) -> None:
    with pytest.raises(Unset, match=name):
        _ = Compose({key: value for key, value in CHOSEN.items() if key != name}).services


def test_the_example_chooses_no_secret() -> None:
    secrets = {key: value for key, value in env_example().items() if re.search("PASSWORD|SECRET", key)}
    assert secrets
    assert not any(secrets.values())


def test_settings_of_the_database_agree(compose: Compose) -> None:
    given = compose.environment("database")
    user, password, name = (given[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB"))
    for service in OURS:
        assert config(compose, service).database == f"postgresql://{user}:{password}@database:5432/{name}"


def test_settings_of_the_bucket_agree(compose: Compose) -> None:
    given = compose.environment("bucket")
    for service in OURS:
        bucket = config(compose, service).bucket
        assert bucket.name == given["S3_BUCKET"]
        assert (bucket.key, bucket.secret) == (given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
        port = bucket.endpoint.removeprefix("http://bucket:")
        assert f"127.0.0.1:{port}/" in compose.services["bucket"]["healthcheck"]["test"][-1]


def test_storage_and_database_may_be_elsewhere() -> None:
    elsewhere = {
        "DATABASE_HOST": "10.0.0.1:5432",
        "BUCKET_ENDPOINT": "https://s3.example",
        "BUCKET_NAME": "ours",
    }
    found = config(Compose(CHOSEN | elsewhere), "worker")
    assert found.database.endswith("@10.0.0.1:5432/portal")
    assert (found.bucket.endpoint, found.bucket.name) == ("https://s3.example", "ours")


def test_the_commands_exist(compose: Compose) -> None:
    program, command, *words = compose.services["web"]["command"]
    assert (program, command) == ("csc", "portal")
    asked = typer.main.get_command(portal_app).make_context("portal", words).params
    assert (str(asked["data"]), asked["host"], asked["port"]) == ("/portal", "0.0.0.0", 8000)
    python, flag, module = compose.services["worker"]["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)


def test_the_image_starts_what_the_compose_file_starts(compose: Compose) -> None:
    said = dict(instructions())
    assert json.loads(said["CMD"]) == compose.services["web"]["command"]
    (program, *_) = json.loads(said["ENTRYPOINT"])
    installed = [text for name, text in instructions() if name == "RUN" and "apt-get install" in text][-1]
    assert program in installed.split()


def test_the_image_is_run_by_nobody_special_and_builds_nothing() -> None:
    names = [name for name, _ in instructions()]
    last = instructions()[len(names) - 1 - names[::-1].index("FROM") :]
    assert dict(last)["USER"] == "portal"
    shipped = " ".join(text for name, text in last if name in ("RUN", "COPY"))
    assert not re.search(r"\b(gcc|g\+\+|make|build-essential|pip|python3-dev)\b", shipped)


def test_ports_agree(compose: Compose) -> None:
    web = compose.services["web"]
    port = dict(instructions())["EXPOSE"]
    assert web["command"][web["command"].index("--port") + 1] == port
    assert web["ports"] == [f"127.0.0.1:8000:{port}"]
    for check in (dict(instructions())["HEALTHCHECK"], " ".join(web["healthcheck"]["test"])):
        assert f"127.0.0.1:{port}/" in check
    assert f"reverse_proxy web:{port}\n" in (DEPLOY / "Caddyfile").read_text()
    assert config(compose, "web").proxies == 1


def test_images_have_short_names_and_tags(compose: Compose) -> None:
    bases = [text.split()[0] for name, text in instructions() if name == "FROM"]
    for image in (*bases, *(service["image"] for service in compose.services.values())):
        assert re.fullmatch(r"([a-z]+/)?[a-z-]+:[\w.-]+", image), image
        assert not image.endswith(":latest")


def test_what_is_mounted_is_declared_and_used(compose: Compose) -> None:
    for service in compose.services:
        named = {source for source in compose.mounts(service).values() if source[0] not in "./"}
        assert named <= set(compose.whole["volumes"])
        assert set(compose.services[service].get("depends_on", ())) <= set(compose.services)
    for service in OURS:
        assert image_environment()["CSC_PORTAL_FOLDER"] in compose.mounts(service)
    assert compose.mounts("proxy")["/etc/caddy/Caddyfile"] == "./Caddyfile"
    assert offered()["CSC_PORTAL_CATALOG"] in compose.mounts("web")


def test_only_workers_see_the_truth_and_only_the_web_server_its_folder(compose: Compose) -> None:
    assert compose.mounts("worker")[config(compose, "worker").truth] == CHOSEN["TRUTH"]
    assert CHOSEN["TRUTH"] not in compose.mounts("web").values()
    assert config(compose, "web").truth == ""
    assert compose.mounts("worker")["/portal"] != compose.mounts("web")["/portal"]


def test_no_part_starts_before_what_it_needs(compose: Compose) -> None:
    assert set(compose.services["web"]["depends_on"]) == {"database", "bucket"}
    assert set(compose.services["worker"]["depends_on"]) == {"web"}
    for service in ("database", "bucket", "web"):
        assert compose.services[service]["healthcheck"]["test"]


def test_the_build_gets_what_the_package_is_made_of_and_nothing_else() -> None:
    root = DEPLOY.parent
    kept = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((root / name).exists() for name in kept)
    project = (root / "pyproject.toml").read_text()
    wanted = {"src", "pyproject.toml", "constraints.txt", *re.findall(r"README\.md|LICENSE", project)}
    assert kept == wanted
    extras = re.search(r"\[([\w,]+)\]", " ".join(text for name, text in instructions() if name == "RUN"))
    assert extras
    assert set(extras[1].split(",")) == {"portal", "postgres"}


def test_the_health_checks_are_python(compose: Compose) -> None:
    said = dict(instructions())["HEALTHCHECK"]
    for words in (json.loads(said[said.index("[") :]), compose.services["web"]["healthcheck"]["test"][1:]):
        assert words[:2] == ["python", "-c"]
        compile(words[2], "healthcheck", "exec")


def audited(*packages: dict[str, object]) -> tuple[str, int]:
    return verdict(json.dumps({"dependencies": packages}), "")


SOUND = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_an_audit_without_an_answer_says_so_and_with_advisories_fails() -> None:
    assert audited(SOUND) == ("0 advisories about 1 packages", 0)
    told, status = audited(SOUND, WEAK, UNKNOWN)
    assert status == 1
    assert told.splitlines() == [
        "not audited: c", "b 2: X-1, mended in ['3']", "1 advisories about 2 packages",
    ]  # fmt: skip
    for told, status in (audited(UNKNOWN), verdict("", "first\nno route to host\n"), verdict("", "")):
        assert told.startswith("NOT AUDITED")
        assert status == 0
