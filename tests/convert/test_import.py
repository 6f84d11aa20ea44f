"""How an import goes: types, pyramids, memory, and what is left when it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from foreign_files import GREY, SHAPE, hdf5, mrc, slices, tiff

from organelle.classes import Kind
from organelle.convert import ImportSettings, import_volume, plan_import
from organelle.errors import FormatError, OutputExists, SettingsError
from organelle.files import sha256
from organelle.volumes import downsample, open_multiscale

BANDS = ImportSettings(voxel_size_nm=(8, 4, 4), chunks=(8, 16, 16), levels=3, memory_bytes=1)


def test_levels_of_images_are_means_and_of_labels_most_frequent_values(tmp_path: Path) -> None:
    path = tiff()(tmp_path, GREY)
    labels = hdf5(chunks=(8, 8, 8))(tmp_path, (GREY % 5).astype(np.uint32))
    for source, array, kind, asked in (
        (path, GREY, Kind.IMAGE, BANDS),
        (
            labels,
            (GREY % 5).astype(np.uint32),
            Kind.INSTANCE,
            ImportSettings((8, 4, 4), labels=True, levels=3),
        ),
    ):
        report = import_volume(plan_import(source, tmp_path / kind.value, asked))
        image = open_multiscale(report.path)
        assert image.attributes["organelle"]["kind"] == kind.value
        assert [level.dtype for level in image.levels] == [array.dtype] * 3
        expected = array
        for level in image.levels:
            np.testing.assert_array_equal(level.read(), expected)
            expected = downsample(expected, kind)


def test_grey_values_become_eight_bits(tmp_path: Path) -> None:
    path = tiff()(tmp_path, GREY)
    settings = ImportSettings((8, 4, 4), to_uint8=(10_000, 50_000))
    values = open_multiscale(import_volume(plan_import(path, tmp_path / "a", settings)).path).levels[0].read()
    expected = np.clip((GREY.astype(np.float64) - 10_000) * 255 / 40_000, 0, 255)
    assert values.dtype == np.uint8
    assert np.abs(values - expected).max() < 0.51

    plan = plan_import(path, tmp_path / "b", ImportSettings((8, 4, 4), to_uint8="auto"))
    assert plan.window == pytest.approx(np.percentile(GREY, (0.5, 99.5)), rel=0.02)
    image = open_multiscale(import_volume(plan).path)
    assert image.attributes["organelle"]["to_uint8"] == list(plan.window or ())
    assert np.bincount(image.levels[0].read().ravel(), minlength=256)[[0, 255]] / GREY.size == pytest.approx(
        0.0075, abs=0.003
    )


def test_floats_with_holes_become_eight_bits(tmp_path: Path) -> None:
    floats = np.linspace(-1, 1, GREY.size, dtype=np.float32).reshape(SHAPE)
    floats[3] = np.nan
    floats[4] = np.inf
    path = hdf5()(tmp_path, floats)
    settings = ImportSettings((8, 4, 4), to_uint8=(-1, 1))
    values = (
        open_multiscale(import_volume(plan_import(path, tmp_path / "em", settings)).path).levels[0].read()
    )
    assert (values[3] == 0).all()
    assert (values[4] == 255).all()
    np.testing.assert_allclose(values[5:], (floats[5:] + 1) * 127.5, atol=0.51)


def test_a_type_must_hold_every_value(tmp_path: Path) -> None:
    path = tiff()(tmp_path, (GREY % 200).astype(np.uint16))
    report = import_volume(plan_import(path, tmp_path / "a", ImportSettings((8, 4, 4), dtype="uint8")))
    np.testing.assert_array_equal(open_multiscale(report.path).levels[0].read(), GREY % 200)
    large = tiff()(tmp_path, GREY)
    with pytest.raises(FormatError, match=r"values from \d+ to \d+ \(uint16\) do not fit uint8.*--to-uint8"):
        import_volume(plan_import(large, tmp_path / "b", ImportSettings((8, 4, 4), dtype="uint8")))
    assert not (tmp_path / "b").exists()


def test_a_mask_needs_to_be_called_labels(tmp_path: Path) -> None:
    path = tiff()(tmp_path, GREY > 30_000)
    with pytest.raises(FormatError, match="bool, which is no grey value; if it is a mask, add --labels"):
        plan_import(path, tmp_path / "em", ImportSettings((8, 4, 4)))
    report = import_volume(plan_import(path, tmp_path / "mask", ImportSettings((8, 4, 4), labels=True)))
    np.testing.assert_array_equal(
        open_multiscale(report.path).levels[0].read(), (GREY > 30_000).astype(np.uint8)
    )
    floats = mrc(tmp_path, GREY.astype(np.float32))
    with pytest.raises(FormatError, match="labels are whole numbers"):
        plan_import(floats, tmp_path / "em", ImportSettings((8, 4, 4), labels=True))


def test_settings_that_contradict_each_other_are_refused() -> None:
    for wrong in (
        {"labels": True, "to_uint8": (0, 1)}, {"dtype": "uint8", "to_uint8": (0, 1)}, {"to_uint8": (5, 5)},
        {"chunks": (0, 64, 64)}, {"levels": 0},
    ):  # fmt: skip
        with pytest.raises(SettingsError):
            ImportSettings(**wrong)  # type: ignore[arg-type]


def test_an_output_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tiff()(tmp_path, GREY)
    plan = plan_import(path, tmp_path / "em", BANDS)
    import_volume(plan)
    before = sha256(tmp_path / "em")
    with pytest.raises(OutputExists):
        plan_import(path, tmp_path / "em", BANDS)
    with pytest.raises(OutputExists):
        import_volume(plan)
    assert sha256(tmp_path / "em") == before
    inverted = tiff()(tmp_path, 60_000 - GREY)
    import_volume(plan_import(inverted, tmp_path / "em", BANDS, overwrite=True), overwrite=True)
    np.testing.assert_array_equal(open_multiscale(tmp_path / "em").levels[0].read(), 60_000 - GREY)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["em", "stack.tif"]


def test_an_unfinished_import_of_something_else_is_not_mixed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiff()(tmp_path, GREY)
    with monkeypatch.context() as patch:
        patch.setattr("organelle.convert.run._shrink_layer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            import_volume(plan_import(path, tmp_path / "em", BANDS))
    other = ImportSettings((8, 4, 4), to_uint8=(0, 60_000))
    with pytest.raises(OutputExists, match="unfinished import of another source, or with other settings"):
        import_volume(plan_import(path, tmp_path / "em", other))
    report = import_volume(plan_import(path, tmp_path / "em", BANDS))
    assert report.kept == 3


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


# VmHWM, not ru_maxrss: that begins with what the parent held when it made the child.
CHILD = """
import sys, json
from pathlib import Path
from organelle.convert import ImportSettings, import_volume, plan_import
source, output, settings = sys.argv[1:]
report = import_volume(plan_import(source, output, ImportSettings(**json.loads(settings))))
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps({"kept": report.kept, "peak": peak, "bound": report.plan.memory_bytes}))
"""


def start(source: Path, output: Path, **settings: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(source), str(output), json.dumps(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str]) -> dict[str, int]:
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    result: dict[str, int] = json.loads(out)
    return result


def test_a_killed_import_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    path = slices(tmp_path, np.tile(GREY, (4, 1, 1)))
    settings = {"voxel_size_nm": [8, 4, 4], "chunks": [4, 16, 16], "levels": 3, "memory_bytes": 1}
    same = ImportSettings(**settings)
    import_volume(plan_import(path, tmp_path / "whole", same))
    ledger = tmp_path / ".em.importing" / "done.txt"
    kept = 0
    for steps in (3, 30):
        child = start(path, tmp_path / "em", **settings)
        deadline = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < deadline:
            if ledger.exists() and ledger.read_text().count("\n") >= steps:
                break
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert not (tmp_path / "em").exists()
        kept = ledger.read_text().count("\n")
        assert kept >= steps
    assert import_volume(plan_import(path, tmp_path / "em", same)).kept == kept
    whole, again = open_multiscale(tmp_path / "whole"), open_multiscale(tmp_path / "em")
    for first, second in zip(whole.levels, again.levels, strict=True):
        np.testing.assert_array_equal(first.read(), second.read())
    assert not ledger.parent.exists()


@pytest.mark.parametrize(
    "form",
    [
        "LZW TIFF",
        pytest.param("raw MRC", marks=pytest.mark.soak),
        pytest.param("HDF5 chunks", marks=pytest.mark.soak),
    ],
)
def test_memory_does_not_grow_with_the_volume(tmp_path: Path, form: str) -> None:
    """64 MiB pass through a bound of 12 MiB; what the libraries need is measured with a small volume."""
    block = np.random.default_rng(0).integers(0, 50, (64, 512, 256), dtype=np.uint8)
    write = {
        "LZW TIFF": tiff(compression="lzw"), "raw MRC": mrc, "HDF5 chunks": hdf5(chunks=(16, 64, 64)),
    }[form]  # fmt: skip
    peaks = {}
    for name, volume in (("small", block), ("large", np.tile(block, (1, 2, 4)))):
        folder = tmp_path / name
        folder.mkdir()
        asked = {
            "voxel_size_nm": [8, 8, 8],
            "memory_bytes": 12 * 2**20,
            "dtype": "uint8" if form == "raw MRC" else None,
        }
        peaks[name] = finish(start(write(folder, volume), folder / "em", **asked))
    assert peaks["large"]["bound"] <= 24 * 2**20
    assert peaks["large"]["peak"] - peaks["small"]["peak"] < 24 * 2**20
