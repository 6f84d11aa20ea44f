from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from organelle.catalog import Catalog, load_catalog, prediction_path, processed_path
from organelle.classes import Kind
from organelle.visualize import Server, serve, visualize
from organelle.volumes import write_labels, write_multiscale


@pytest.fixture(scope="session")
def catalog(tiny_challenge: Path) -> Catalog:
    return load_catalog(tiny_challenge)


@pytest.fixture(scope="session")
def bucket(tiny_challenge: Path) -> Path:
    return tiny_challenge / "bucket"


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Path:
    """Results for the first training crop: probabilities of mito as uint8 and float32, objects, a mask."""
    folder = tmp_path_factory.mktemp("work")
    crop = next(iter(catalog.train_crops.values()))
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, crop.grid.shape, dtype=np.uint8)
    write_multiscale(prediction_path(folder, crop, "mito"), grey, crop.grid, kind=Kind.IMAGE)
    write_multiscale(
        prediction_path(folder, crop, "er"), grey.astype(np.float32) / 255, crop.grid, kind=Kind.IMAGE
    )
    write_labels(processed_path(folder, crop, "mito"), grey // 64, crop.grid, "mito", unknown=False)
    write_labels(processed_path(folder, crop, "er"), grey // 128, crop.grid, "er")
    return folder


@pytest.fixture(scope="session")
def server(catalog: Catalog, bucket: Path, work: Path) -> Iterator[Server]:
    with serve(visualize(catalog, data=bucket, work=work)) as running:
        yield running


class Response:
    """Status, headers and body of one answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def json(self) -> Any:
        return json.loads(self.body)


Ask = Callable[..., Response]


@pytest.fixture(scope="session")
def ask(server: Server) -> Ask:
    """One request as it stands on the wire: paths are not tidied up."""

    def request(path: str, method: str = "GET", **headers: str) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        try:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            return Response(connection.getresponse())
        finally:
            connection.close()

    return request
