"""Which network, patch and batch is chosen, when costs are known."""

from __future__ import annotations

import math

import pytest

from organelle.catalog import Crop
from organelle.errors import SettingsError
from organelle.geometry import Grid, Nm
from organelle.plan import Choice, ClassFigures, Form, Group, Machine, Measured
from organelle.plan.choices import ENOUGH_STEPS, Cost, best_choice
from organelle.plan.estimates import estimate
from organelle.plan.fitting import fit, guessed
from organelle.plan.measure import TooMuch

MIB = 2.0**20
HOUR = 3600.0


def group(form: Form = Form.CUBES, size: Nm = (8.0, 8.0, 8.0), side: int = 400) -> Group:
    crop = Crop(1, "a", Grid(size, (0.0, 0.0, 0.0), (side,) * 3), ("mito",))
    return Group(form, size, (ClassFigures("mito", 200.0, 0.1, 4.0, 1),), (crop,))


def cost(choice: Choice) -> Cost:
    """A second and a MiB per 100,000 voxels, four times that in a network twice as wide."""
    load = choice.batch * math.prod(choice.patch_shape) * (choice.width / 16) ** 2 / 1e5
    return Cost(load, load * MIB)


def test_the_largest_patch_that_leaves_enough_steps() -> None:
    chosen = best_choice(group(), cost, 1e12, HOUR)
    assert chosen is not None
    assert (chosen.network, chosen.patch_shape, chosen.batch) == ("unet_3d", (48, 48, 48), 1)
    assert HOUR / cost(chosen).step_seconds >= ENOUGH_STEPS


def test_with_more_time_the_patch_grows_to_what_is_of_use_then_the_batch_then_the_network() -> None:
    chosen = best_choice(group(), cost, 1e12, 1e9)
    assert chosen is not None
    assert (chosen.patch_shape, chosen.batch, chosen.width) == ((192, 192, 192), 8, 32)
    small = best_choice(group(side=60), cost, 1e12, 1e9)
    assert small is not None
    assert small.patch_shape == (64, 64, 64)


def test_memory_bounds_the_patch() -> None:
    chosen = best_choice(group(), cost, 10.3 * MIB, 1e9)
    assert chosen is not None
    assert chosen.side == 96
    assert cost(chosen).memory_bytes <= 10.3 * MIB
    assert best_choice(group(), cost, 1e-3 * MIB, 1e9) is None


def test_where_time_is_short_planes_are_learned_and_averaged() -> None:
    chosen = best_choice(group(), cost, 1e12, 500.0)
    assert chosen is not None
    assert (chosen.network, chosen.averaged, chosen.batch) == ("unet_2d", True, 4)


def test_sections_get_planes_and_slabs_a_network_whose_first_step_spares_the_coarse_axis() -> None:
    plane = best_choice(group(Form.SECTIONS, (40.0, 4.0, 4.0)), cost, 1e12, HOUR)
    slab = best_choice(group(Form.SLABS, (8.0, 4.0, 4.0)), cost, 1e12, HOUR)
    assert plane is not None
    assert slab is not None
    assert (plane.patch_shape[0], plane.averaged) == (1, False)
    assert slab.options["strides"] == [[1, 2, 2], [2, 2, 2], [2, 2, 2]]
    assert slab.patch_shape[0] * 2 == slab.patch_shape[1]


@pytest.mark.parametrize(("form", "size"), [(Form.CUBES, (8.0,) * 3), (Form.SLABS, (8.0, 4.0, 4.0))])
def test_a_network_takes_every_choice(form: Form, size: Nm) -> None:
    for seconds in (100.0, HOUR, 1e5, 1e9):
        chosen = best_choice(group(form, size), cost, 1e12, seconds)
        assert chosen is not None
        assert chosen.model(("mito",)).patch_shape == chosen.patch_shape


def test_estimates_grow_with_patch_batch_and_width() -> None:
    small = Choice("unet_2d", 16, (8.0,) * 3, (1, 64, 64), 4)
    larger = [
        Choice("unet_2d", 16, (8.0,) * 3, (1, 128, 128), 4),
        Choice("unet_2d", 16, (8.0,) * 3, (1, 64, 64), 8),
        Choice("unet_2d", 32, (8.0,) * 3, (1, 64, 64), 4),
    ]
    first = estimate(small, ("mito",), cores=1, gpu=False)
    for choice in larger:
        more = estimate(choice, ("mito",), cores=1, gpu=False)
        assert more.step_seconds > 1.5 * first.step_seconds
        assert more.memory_bytes > first.memory_bytes
    twice = estimate(small, ("mito",), cores=2, gpu=False)
    assert twice.step_seconds == pytest.approx(first.step_seconds / 2)


def test_what_is_measured_corrects_the_estimates() -> None:
    tried: list[Choice] = []

    def trial(choice: Choice) -> Measured:
        tried.append(choice)
        return Measured(3 * cost(choice).step_seconds, 2 * cost(choice).memory_bytes, 0.1)

    chosen, found = fit(group(), Machine(1, 1e12), HOUR, cost, trial)
    assert [choice.patch_shape[0] for choice in tried] == [48, 32]
    assert chosen == tried[-1]
    assert found.step_seconds == 3 * cost(chosen).step_seconds


def test_what_breaks_its_bounds_is_not_chosen() -> None:
    def trial(choice: Choice) -> Measured | TooMuch:
        return TooMuch("no room") if choice.side > 32 else Measured(1.0, MIB, 0.1)

    chosen, _ = fit(group(), Machine(1, 1e12), HOUR, cost, trial)
    assert chosen.side == 32
    with pytest.raises(SettingsError, match=r"no network for mito fits .*no room.*--memory"):
        fit(group(), Machine(1, 1e12), HOUR, cost, lambda _: TooMuch("no room"))
    with pytest.raises(SettingsError, match=r"--memory"):
        guessed(group(), Machine(1, 1.0), HOUR, cost)
