"""`.zarray` and `.zattrs` may say what a submission needs, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from organelle.submission import Limits, ProblemError
from organelle.submission.zarray import parse_json, parse_zarray, translation_of, voxel_size_of

GOOD: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [10, 20, 30],
    "chunks": [64, 64, 64],
    "dtype": "<u2",
    "compressor": {"id": "zstd", "level": 3, "checksum": True},
    "fill_value": 0,
    "filters": None,
    "order": "C",
}


def test_a_good_one() -> None:
    spec = parse_zarray(GOOD, "x", Limits())
    assert (spec.shape, spec.chunk_grid, spec.chunk_bytes) == ((10, 20, 30), (1, 1, 1), 2 * 64**3)
    assert (spec.codec, spec.separator, spec.key((1, 2, 3))) == ("zstd", ".", "1.2.3")


@pytest.mark.parametrize(
    "allowed",
    [
        {"dtype": "|b1", "fill_value": False},
        {"dtype": "<f4", "fill_value": 0.5},
        {"dtype": "|i1", "fill_value": -1},
        {"fill_value": None},
        {"compressor": None},
        {"filters": []},
        {"order": "F", "dimension_separator": "/"},
    ],
)
def test_allowed_variants(allowed: dict[str, Any]) -> None:
    assert parse_zarray(GOOD | allowed, "x", Limits()).shape == (10, 20, 30)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"zarr_format": 3}, "zarr-format"),
        ({"shape": [10, 20]}, "bad-shape"),
        ({"shape": [10, 20, 30, 1]}, "bad-shape"),
        ({"shape": [10, 20, 0]}, "bad-shape"),
        ({"shape": [10, 20, True]}, "bad-shape"),
        ({"shape": [10, 20, 3.0]}, "bad-shape"),
        ({"shape": "abc"}, "bad-shape"),
        ({"shape": [10**30, 1, 1]}, "bad-shape"),
        ({"shape": [100_000, 1, 1]}, "too-large"),
        ({"shape": [60_000, 60_000, 60_000]}, "too-large"),
        ({"chunks": [0, 1, 1]}, "bad-chunks"),
        ({"chunks": None}, "bad-chunks"),
        ({"shape": [60, 60, 60], "chunks": [1, 1, 1]}, "too-many-chunks"),
        ({"chunks": [1024, 1024, 1024]}, "chunk-too-large"),
        ({"dtype": "|O"}, "bad-dtype"),
        ({"dtype": "<c16"}, "bad-dtype"),
        ({"dtype": "<M8[ns]"}, "bad-dtype"),
        ({"dtype": [["a", "<u2"]]}, "bad-dtype"),
        ({"dtype": "<f2"}, "bad-dtype"),
        ({"compressor": {"id": "pickle"}}, "bad-codec"),
        ({"compressor": {"id": "lzma"}}, "bad-codec"),
        ({"compressor": {}}, "bad-codec"),
        ({"compressor": "zstd "}, "bad-codec"),
        ({"filters": [{"id": "delta"}]}, "filters"),
        ({"fill_value": "NaN"}, "bad-fill-value"),
        ({"fill_value": -1}, "bad-fill-value"),
        ({"fill_value": 65536}, "bad-fill-value"),
        ({"fill_value": 0.5}, "bad-fill-value"),
        ({"fill_value": 10**400}, "bad-fill-value"),
        ({"dtype": "<f4", "fill_value": 1e39}, "bad-fill-value"),
        ({"dtype": "<f8", "fill_value": 10**400}, "bad-fill-value"),
        ({"dtype": "|b1", "fill_value": 2}, "bad-fill-value"),
        ({"order": "K"}, "bad-order"),
        ({"dimension_separator": "-"}, "bad-dimension_separator"),
    ],
)
def test_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_zarray(GOOD | change, "crop7/er/.zarray", Limits())
    assert caught.value.problem.code == code
    assert caught.value.problem.place == "crop7/er/.zarray"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1]",
        b'"zarr"',
        b"{",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"[" * 200_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
    ],
)
def test_json_that_is_refused(text: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_json(text, "x")
    assert caught.value.problem.code == "bad-json"


def test_voxel_size_from_the_first_name_offset_from_either() -> None:
    assert voxel_size_of({"scale": [1, 2, 3], "resolution": [4, 5, 6.5]}, "x") == (4.0, 5.0, 6.5)
    assert voxel_size_of({"voxel_size": None, "scale": [1, 2, 3]}, "x") == (1.0, 2.0, 3.0)
    assert translation_of({"offset": [-1, 0, 2]}, "x") == (-1.0, 0.0, 2.0)
    assert voxel_size_of({}, "x") is None
    assert translation_of({"shape": [1, 1, 1]}, "x") is None


@pytest.mark.parametrize(
    "odd", [[4, 4], [4, 4, 0], [4, 4, -4], ["4", "4", "4"], 4, [4, 4, True], "444", [4, 4, 1e999]]
)
def test_odd_voxel_size(odd: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        voxel_size_of(json.loads(json.dumps({"voxel_size": odd})), "crop7/er/.zattrs")
    assert caught.value.problem.code == "odd-voxel-size"


@pytest.mark.parametrize("odd", [[0, 0], [0, 0, None], {}, [0, 0, 1e300]])
def test_odd_offset(odd: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        translation_of({"translation": odd}, "crop7/er/.zattrs")
    assert caught.value.problem.code == "odd-offset"
