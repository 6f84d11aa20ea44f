"""`csc visualize` as people run it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from organelle.cli import main

CSC = Path(sys.executable).with_name("csc")
SCREENS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


@pytest.fixture
def csc(monkeypatch, capsys):
    """Run the command in this process, for what ends at once: status and standard error."""

    def run(*options):
        monkeypatch.setattr("sys.argv", ["csc", "visualize", *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return run


def without_screen() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SCREENS}


def hear_ctrl_c() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(*options, **environment) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [CSC, "visualize", *map(str, options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=without_screen() | environment,
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def folders(tiny_challenge: Path, tmp_path: Path) -> list:
    return ["--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", tmp_path]


def test_without_a_screen_it_prints_a_link_and_answers_until_ctrl_c(folders):
    with running("--crops", "11", *folders) as process:
        link = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{link}state/crop11", timeout=20) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        told = process.stderr.read()
    port = link.removeprefix("http://127.0.0.1:").rstrip("/")
    assert port.isdecimal()
    assert "Open this link" in told
    assert f"ssh -L {port}:localhost:{port}" in told


def test_the_browser_is_sent_to_the_link(folders, tmp_path):
    script, seen = tmp_path / "browser", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    script.chmod(0o755)
    with running(*folders, BROWSER=str(script)) as process:
        link = process.stdout.readline()
        for _ in range(200):
            if seen.exists():
                break
            time.sleep(0.05)
        assert seen.read_text() == link


def test_a_port_in_use_is_an_error_in_words(csc, folders):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, told = csc("--no-browser", "--port", port, *folders)
    assert status == 1
    assert f"port {port} cannot be used" in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--crops", "4711"], "crop 4711 is not in the catalog"),
        (["--classes", "mitos"], "mito"),
        (["--classes", ","], "names no class"),
        (["--datasets", ","], "names no dataset"),
        (["--kinds", "truths,thruth"], "nearest"),
        (["--kinds", "prediction"], "nothing to show"),
        (["--submission-path", "none.zip"], "none.zip"),
        (["--links", "--json", "--csv"], "exclude each other"),
    ],
)
def test_what_cannot_be_shown_is_told(csc, folders, options, words):
    status, told = csc("--no-browser", *options, *folders)
    assert status == 1
    assert words in told


def test_without_the_viewer_it_says_how_to_get_it(csc, folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "neuroglancer", None)
    status, told = csc("--no-browser", *folders)
    assert status == 1
    assert "pip install 'organelle[view]'" in told


def test_pictures_need_no_viewer(folders, tmp_path):
    code = "import sys; sys.modules['neuroglancer'] = sys.modules['tornado'] = None\n"
    told = subprocess.run(
        [sys.executable, "-c", f"{code}from organelle.cli import main; main()", "visualize", "--crops", "11",
         "--png", str(tmp_path / "sheets"), *map(str, folders)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert {p.name for p in (tmp_path / "sheets").iterdir()} == {"crop11.png", "index.html"}
