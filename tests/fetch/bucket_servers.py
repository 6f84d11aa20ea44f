"""Real servers on this machine: plain HTTP, HTTP that fails now and then, and S3."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

FAULTS = ("503", "reset", "truncated", "slow")


class QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass


class FlakyHandler(QuietHandler):
    """Every fifth request on average ends badly; `server.faults` counts how."""

    server: Any

    def do_GET(self) -> None:
        fault = self.server.draw()
        content = Path(self.translate_path(self.path))
        if not fault or not content.is_file():
            super().do_GET()
        elif fault == "503":
            self.send_error(503)
        elif fault == "reset":
            self.close_connection = True
        else:
            self.send_part(content.read_bytes(), slow=fault == "slow")

    def send_part(self, data: bytes, *, slow: bool) -> None:
        """Announce all, send half, and then either end or go on after a pause."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", self.date_time_string(0))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        if slow:
            time.sleep(self.server.slow_s)
            self.wfile.write(data[len(data) // 2 :])
        else:
            self.close_connection = True


class TaggedHandler(QuietHandler):
    """Says the MD5 of each file as its ETag, and spoils the first answers: `server.spoiled` of each file."""

    server: Any

    def end_headers(self) -> None:
        content = Path(self.translate_path(self.path))
        if content.is_file():
            self.send_header("ETag", f'"{hashlib.md5(content.read_bytes()).hexdigest()}"')
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        data = bytearray(source.read())
        self.server.faults[self.path] += 1
        if self.server.faults[self.path] <= self.server.spoiled:
            data[-1] ^= 1
        outputfile.write(data)


class RangeHandler(QuietHandler):
    """Gives parts of files, as any web server but Python's does."""

    server: Any

    def do_GET(self) -> None:
        self.server.draw()
        asked = self.headers.get("Range", "")
        content = Path(self.translate_path(self.path))
        if not asked or not content.is_file():
            super().do_GET()
            return
        data = content.read_bytes()
        start, stop = (int(n) for n in asked.removeprefix("bytes=").split("-"))
        part = data[start : stop + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Last-Modified", self.date_time_string(0))
        self.end_headers()
        self.wfile.write(part)


class TrickleHandler(QuietHandler):
    """Sends files named in `server.trickles` a byte at a time, so slowly that nobody waits for the end."""

    server: Any

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if Path(self.path).name not in self.server.trickles:
            super().copyfile(source, outputfile)
            return
        for _ in range(1000):
            outputfile.write(source.read(1))
            outputfile.flush()
            if self.server.ending.wait(0.1):
                return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: Any, odds: float = 0.0, pause_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.rng, self.odds, self.pause_s = np.random.default_rng(7), odds, pause_s
        self.faults: Counter[str] = Counter()
        self.requests = self.spoiled = 0
        self.slow_s = 0.02
        self.trickles: set[str] = set()
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def draw(self) -> str | None:
        self.requests += 1
        time.sleep(self.pause_s)
        if self.rng.random() >= self.odds:
            return None
        fault = FAULTS[self.rng.integers(len(FAULTS))]
        self.faults[fault] += 1
        return fault

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def serve(
    folder: Path, *, odds: float = 0.0, pause_s: float = 0.0, handler: type[QuietHandler] | None = None
) -> Iterator[Server]:
    """The files below `folder` over HTTP; with `odds` a GET fails."""
    handler = handler or (FlakyHandler if odds or pause_s else QuietHandler)
    with Server(partial(handler, directory=str(folder)), odds, pause_s) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


@contextmanager
def serve_s3(folder: Path, bucket: str) -> Iterator[str]:
    """The files below `folder` as an S3 bucket that everyone may list and read; yields the endpoint."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = s3_client(endpoint)
        client.create_bucket(Bucket=bucket, ACL="public-read")
        # Buckets live as long as the process, which may have served one of this name before.
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if left := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
                client.delete_objects(Bucket=bucket, Delete={"Objects": left, "Quiet": True})
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            key = file.relative_to(folder).as_posix()
            client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes(), ACL="public-read")
        client.close()
        yield endpoint
    finally:
        server.stop()


def close_bucket(endpoint: str, bucket: str) -> None:
    """Let nobody without a key read it any more."""
    client = s3_client(endpoint)
    client.put_bucket_acl(Bucket=bucket, ACL="private")
    for item in client.list_objects_v2(Bucket=bucket)["Contents"]:
        client.put_object_acl(Bucket=bucket, Key=item["Key"], ACL="private")
    client.close()


def s3_client(endpoint: str) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
