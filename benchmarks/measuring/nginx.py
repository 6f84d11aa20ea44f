"""nginx as a web server of one folder, on a free port of this machine; it ends with the block."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {scratch}/pid;
error_log {scratch}/errors;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path {scratch}/body;
  proxy_temp_path {scratch}/proxy;
  fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi;
  scgi_temp_path {scratch}/scgi;
  types {{ }}
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
PATIENCE_SECONDS = 10.0


def find_nginx() -> str | None:
    """The program, or None if it is not installed; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The files below `folder` at the URL that is yielded."""
    program = find_nginx()
    if program is None:
        raise FileNotFoundError("nginx is not installed")
    with TemporaryDirectory(prefix="nginx-") as scratch:
        port = _free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        file = Path(scratch) / "nginx.conf"
        file.write_text(CONFIGURATION.format(user=user, scratch=scratch, port=port, folder=folder))
        process = subprocess.Popen([program, "-e", f"{scratch}/errors", "-c", str(file)])
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("nginx does not answer")
