"""Step i is the same batch, whoever draws it and whenever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from drawn_world import crop_in_memory, make_spec, mask, noise

from organelle.errors import SettingsError
from organelle.models import ModelSpec, Normalisation
from organelle.sampling import Batch, PatchStream, SamplingSettings, TrainingCrop

SHAPE = (24, 26, 28)
CLASSES = ("er", "mito")


@pytest.fixture
def crops() -> list[TrainingCrop]:
    return [
        crop_in_memory(noise(SHAPE, n), {"er": mask(SHAPE, n), "mito": mask(SHAPE, n + 9)}, number=n)
        for n in (1, 2)
    ]


def spec_of(*patch: int) -> ModelSpec:
    return make_spec((patch[0], patch[1], patch[2]), CLASSES, normalisation=Normalisation(mean=128, std=70))


def stream_of(crops: list[TrainingCrop], seed: int = 5, **settings: float) -> PatchStream:
    return PatchStream(crops, spec_of(8, 8, 8), SamplingSettings(batch_size=3, **settings), seed)


def assert_equal(first: Batch, second: Batch) -> None:
    assert (first.step, first.crops) == (second.step, second.crops)
    for name in ("em", "target", "known"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.fixture
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_and_resuming_change_nothing(
    crops: list[TrainingCrop], workers: int, no_thread_stays: None
) -> None:
    wanted = stream_of(crops)
    drawn = list(stream_of(crops, workers=workers).iterate(2, 7))
    assert [batch.step for batch in drawn] == [2, 3, 4, 5, 6]
    for batch in drawn:
        assert_equal(batch, wanted[batch.step])


def test_every_step_patch_and_seed_differs(crops: list[TrainingCrop]) -> None:
    first, second, other = stream_of(crops)[0], stream_of(crops)[1], stream_of(crops, seed=6)[0]
    ems = [*first.em, *second.em, *other.em]
    assert len({em.tobytes() for em in ems}) == 9


def test_an_endless_stream_ends_its_threads_when_closed(
    crops: list[TrainingCrop], no_thread_stays: None
) -> None:
    endless = stream_of(crops, workers=2).iterate(10)
    assert [batch.step for batch in islice(endless, 3)] == [10, 11, 12]
    endless.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_while_drawing_reaches_the_caller(
    crops: list[TrainingCrop], workers: int, no_thread_stays: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_of(crops, workers=workers)

    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("organelle.sampling.stream.draw", broken)
    with pytest.raises(MemoryError, match="no room"):
        next(stream.iterate(4))


@pytest.mark.parametrize(
    ("patch", "seen"), [((8, 6, 4), (8, 6, 4)), ((1, 6, 8), (6, 8)), ((6, 1, 8), (6, 8)), ((6, 8, 1), (6, 8))]
)
def test_batches_have_the_axes_that_the_network_sees(
    crops: list[TrainingCrop], patch: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    batch = PatchStream(crops, spec_of(*patch), SamplingSettings(batch_size=2), 0)[0]
    assert batch.em.shape == (2, 1, *seen)
    assert batch.target.shape == batch.known.shape == (2, 2, *seen)
    assert (batch.em.dtype, batch.target.dtype, batch.known.dtype) == (np.float32, np.uint8, bool)
    assert set(batch.crops) <= {1, 2}


def test_without_augmentation_every_patch_is_found_in_the_data(crops: list[TrainingCrop]) -> None:
    plain = SamplingSettings(batch_size=4).without_augmentation()
    stream = PatchStream(crops, make_spec((4, 4, 4), CLASSES), plain, 3)
    by_number = {crop.crop.id: crop for crop in crops}
    batch = stream[0]
    for em, target, known, number in zip(batch.em, batch.target, batch.known, batch.crops, strict=True):
        data = by_number[number].em
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(data, 4), (4, 4, 4))
        hits = np.argwhere((windows == em[0]).all(axis=(-3, -2, -1)))
        assert len(hits) == 1
        z, y, x = hits[0]
        for channel, offset in enumerate((0, 9)):
            states = np.pad(mask(SHAPE, number + offset), 4)[z : z + 4, y : y + 4, x : x + 4]
            np.testing.assert_array_equal(target[channel], states)
        inside = np.pad(np.ones(SHAPE, bool), 4)[z : z + 4, y : y + 4, x : x + 4]
        np.testing.assert_array_equal(known, np.stack([inside, inside]))


def test_a_patch_larger_than_every_crop_is_padded_with_unknown(crops: list[TrainingCrop]) -> None:
    batch = PatchStream(crops, spec_of(32, 32, 32), SamplingSettings(batch_size=2), 0)[0]
    share = batch.known.mean()
    assert 0.1 < share <= 24 * 26 * 28 / 32**3
    assert not batch.target[~batch.known].any()


def test_crops_of_other_classes_or_voxels_and_none_at_all_are_refused(crops: list[TrainingCrop]) -> None:
    with pytest.raises(SettingsError, match="no crops"):
        PatchStream([], spec_of(8, 8, 8), SamplingSettings(), 0)
    with pytest.raises(SettingsError, match="the model wants mito"):
        PatchStream(crops, make_spec((8, 8, 8), ("mito",)), SamplingSettings(), 0)
    with pytest.raises(SettingsError, match="crop 1 was loaded"):
        PatchStream(crops, make_spec((8, 8, 8), CLASSES, size=(4.0, 4.0, 4.0)), SamplingSettings(), 0)
