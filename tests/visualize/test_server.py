from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import zarr

from organelle.catalog import Catalog, em_folder, label_path
from organelle.errors import SettingsError
from organelle.visualize import Choice, Server, serve, visualize
from organelle.volumes import open_multiscale


@pytest.fixture(scope="module")
def em(catalog: Catalog) -> str:
    return f"/data/em/{next(iter(catalog.datasets))}"


def test_the_client_comes_from_the_installed_wheel(ask):
    page = ask("/v/viewer/")
    assert page.status == 200
    assert b"neuroglancer" in page.body
    script = next(word for word in page.body.decode().split('"') if word.startswith("main.") and "js" in word)
    assert ask(f"/v/viewer/{script}").status == 200


def test_the_start_page_leads_to_every_crop(ask, catalog):
    page = ask("/").body.decode()
    for crop in catalog.crops.values():
        assert f'href="view/{crop.name}"' in page
    there = ask(f"/view/{crop.name}")
    assert there.status == 302
    assert there.headers["Location"].endswith(f"/state/{crop.name}")


def test_addresses_follow_the_one_that_was_asked(ask, catalog):
    """Behind a tunnel the port is another one."""
    name = next(iter(catalog.crops.values())).name
    assert (
        ask(f"/view/{name}", Host="localhost:9")
        .headers["Location"]
        .startswith("/v/viewer/#!http://localhost:9/")
    )
    state = ask(f"/state/{name}", Host="localhost:9").json()
    assert state["layers"][0]["source"].startswith("zarr2://http://localhost:9/data/em/")


def test_what_is_served_is_what_is_stored(ask, catalog, bucket, em):
    """zarr reads from the server what lies in the folder, level by level."""
    stored = open_multiscale(em_folder(bucket, next(iter(catalog.datasets))))
    assert len(stored.levels) > 1
    for number, level in enumerate(stored.levels):
        assert np.array_equal(served_array(ask, f"{em}/s{number}"), level.read())


def served_array(ask, url):
    """All voxels of an array on the server; what is not found is the fill value."""
    spec = ask(f"{url}/.zarray").json()
    keys = np.ndindex(*[-(-n // c) for n, c in zip(spec["shape"], spec["chunks"], strict=True)])
    answers = {"/".join(map(str, key)): ask(f"{url}/{'/'.join(map(str, key))}") for key in keys}
    assert {answer.status for answer in answers.values()} <= {200, 404}
    found = {key: answer.body for key, answer in answers.items() if answer.status == 200}
    found[".zarray"] = ask(f"{url}/.zarray").body
    buffer = zarr.core.buffer.default_buffer_prototype().buffer
    store = zarr.storage.MemoryStore({key: buffer.from_bytes(data) for key, data in found.items()})
    return np.asarray(zarr.open_array(store, mode="r", zarr_format=2)[...])


def test_a_chunk_that_is_not_there_is_not_found(ask, server, catalog, bucket):
    crop = next(iter(catalog.train_crops.values()))
    absent = [
        (name, index)
        for name in crop.classes
        for level in [open_multiscale(label_path(bucket, crop, name)).levels[0]]
        for index in np.ndindex(*[-(-n // c) for n, c in zip(level.shape, level.chunks, strict=True)])
        if not (level.path / "/".join(map(str, index))).exists()
    ]
    assert absent, "the phantom stores every chunk: this tests nothing"
    name, index = absent[0]
    place = f"/data/truth/{crop.name}/{name}/s0/"
    assert ask(f"{place}{'/'.join(map(str, index))}").status == 404
    assert ask(f"{place}.zarray").json()["fill_value"] == 0


@pytest.mark.parametrize(
    ("header", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=7-", slice(7, None)), ("bytes=-5", slice(-5, None))],
)
def test_parts_of_a_chunk(ask, em, header, part):
    whole = ask(f"{em}/s0/0/0/0")
    some = ask(f"{em}/s0/0/0/0", Range=header)
    assert (whole.status, some.status) == (200, 206)
    assert some.body == whole.body[part]
    first, _, total = some.headers["Content-Range"].removeprefix("bytes ").partition("/")
    assert int(total) == len(whole.body)
    assert int(first.split("-")[1]) - int(first.split("-")[0]) + 1 == len(some.body)


def test_a_part_beyond_the_end_is_refused(ask, em):
    size = len(ask(f"{em}/s0/0/0/0").body)
    answer = ask(f"{em}/s0/0/0/0", Range=f"bytes={size}-")
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "header", ["bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5", f"bytes=0-{'9' * 5000}"]
)
def test_a_range_that_is_none_is_ignored(ask, em, header):
    assert ask(f"{em}/s0/0/0/0", Range=header).status == 200


def test_head_is_get_without_the_body(ask, em):
    got, head = ask(f"{em}/s0/0/0/0"), ask(f"{em}/s0/0/0/0", "HEAD")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == str(len(got.body))
    assert head.headers["ETag"] == got.headers["ETag"]


def test_what_is_known_is_not_sent_again(ask, em):
    tag = ask(f"{em}/s0/0/0/0").headers["ETag"]
    again = ask(f"{em}/s0/0/0/0", If_None_Match=tag)
    assert (again.status, again.body) == (304, b"")
    assert ask(f"{em}/s0/0/0/0", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    "origin", ["http://localhost:9000", "http://127.0.0.1", "https://neuroglancer-demo.appspot.com"]
)
def test_pages_that_may_read(ask, em, origin):
    assert ask(f"{em}/.zattrs", Origin=origin).headers["Access-Control-Allow-Origin"] == origin
    before = ask(f"{em}/.zattrs", "OPTIONS", Origin=origin)
    assert before.status == 204
    assert "Range" in before.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "localhost:80:80", ""])
def test_pages_that_may_not_read(ask, em, host):
    assert ask(f"{em}/.zattrs", Origin=f"https://{host}").headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:80", "[::1]:8000"])
def test_names_of_this_machine(ask, em, host):
    assert ask(f"{em}/.zattrs", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["example.org", "localhost.example.org", "127.0.0.1.example.org:80", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/", "/data/em/x/.zattrs", "/v/viewer/", "/events/viewer", "/nothing"])
def test_names_that_were_turned_to_this_machine(ask, host, path):
    assert ask(path, Host=host).status == 403


WAYS_OUT = [
    "/data/{em}/../../../../../../../../etc/passwd",
    "/data/{em}/%2e%2e/%2e%2e/%2e%2e/secret",
    "/data/{em}/s0/../../../secret",
    "/data/{em}/s0/..%2f..%2f..%2fsecret",
    "/data/{em}/s0/0/0/..",
    "/data/{em}/s0/0/0/0/../../../.zattrs",
    "/data/{em}//etc/passwd",
    "/data/{em}/s0/-1/0/0",
    "/data/{em}/s0/99999999999999999999/0/0",
    "/data/{em}/s9/0/0/0",
    "/data/em/..",
    "/data/em/.%00",
    "/data/truth/crop1/..",
    "/data/",
    "/data/em/",
    "/state/..",
    "/view/nothing",
    "/v/viewer/../../../secret",
    "/v/viewer/%2e%2e/%2e%2e/__init__.py",
    "/v/viewer/..%2f..%2f__init__.py",
    "/v/viewer//etc/passwd",
    "//etc/passwd",
    "/v/viewer/index.html%00",
    "/data/{em}/s0/0/0/" + "9" * 5000,
]


@pytest.mark.parametrize("path", WAYS_OUT)
def test_there_is_no_way_out(ask, em, bucket, path):
    secret = bucket.parent / "secret"
    secret.write_text("secret")
    answer = ask(path.format(em=em.removeprefix("/data/")))
    assert answer.status in (400, 403, 404)
    assert b"secret" not in answer.body
    assert b"root:" not in answer.body


def test_links_out_of_the_data_folder_are_not_followed(catalog, bucket, work, tmp_path):
    """A chunk, a level and a whole image that lie elsewhere; the folder itself may be a link."""
    data, outside = tmp_path / "data", tmp_path / "outside"
    shutil.copytree(bucket, data)
    dataset = next(iter(catalog.datasets))
    image = em_folder(data, dataset)
    outside.mkdir()
    for name in ("s0/0/0/0", "s1"):
        (image / name).rename(outside / name.replace("/", "-"))
        (image / name).symlink_to(outside / name.replace("/", "-"))
    crop = next(iter(catalog.train_crops.values()))
    label_path(data, crop, "mito").rename(outside / "mito")
    label_path(data, crop, "mito").symlink_to(outside / "mito")
    linked = tmp_path / "linked"
    linked.symlink_to(data)

    scene = visualize(catalog, Choice(crops=[crop.id]), data=linked, work=work)
    key = f"em/{dataset}"
    assert scene.stored(key, "s0", ".zarray") is not None
    assert scene.stored(key, "s0", "0/0/0") is None
    assert len(open_multiscale(image).levels) == len(scene.opened(scene.images[key]).levels) + 1
    state = scene.state(crop.name, "http://localhost/data")
    assert "mito truth" not in {layer["name"] for layer in state["layers"]}
    assert "leads out" in scene.problems[f"truth/{crop.name}/mito"]


def test_a_port_in_use_is_told(server: Server):
    with (
        pytest.raises(SettingsError, match=rf"port {server.port} .*--port"),
        serve(server.scene, server.port),
    ):
        pass


def test_when_it_is_over_the_port_is_free_again(catalog: Catalog, bucket: Path, tmp_path: Path):
    with serve(visualize(catalog, data=bucket, work=tmp_path)) as server, socket.socket() as listener:
        listener.connect(("127.0.0.1", server.port))
        listener.send(b"GET /events/viewer HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert listener.recv(12) == b"HTTP/1.1 200"
    with socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex(("127.0.0.1", server.port)) != 0
