"""`csc models` tells what there is."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
from typer.testing import CliRunner

from organelle.cli.everything import app
from organelle.errors import NotFound
from organelle.models import (
    NetworkDescription,
    UNetOptions,
    describe_network,
    network_names,
    network_options,
    options_of,
)
from organelle.models.receptive_field import receptive_field


def typed(*words: str) -> str:
    result = CliRunner().invoke(app, ["models", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_names_every_network_with_its_figures() -> None:
    rows = json.loads(typed("--json"))
    assert [row["name"] for row in rows] == list(network_names())
    found = {row["name"]: row for row in rows}
    assert found["unet_3d"]["parameters"] == sum(p.numel() for p in UNetOptions().build(3, 1).parameters())
    assert found["unet_3d"]["divisor"] == [16, 16, 16]
    assert all(min(row["receptive_field"]) > max(row["divisor"]) for row in rows)
    assert all(row["summary"].startswith("MONAI's") for row in rows)


def test_what_is_measured_in_a_plane_holds_in_a_volume() -> None:
    flat, solid = describe_network("resunet_2d"), describe_network("resunet_3d")
    assert (len(flat.receptive_field), len(solid.receptive_field)) == (2, 3)
    assert {*flat.receptive_field} == {*solid.receptive_field}
    kind = options_of("resunet_3d")(features=(8, 8, 8, 8))  # type: ignore[call-arg]
    assert receptive_field(kind.build(3, 1), kind.divisor(3), axes=(1,)) == (solid.receptive_field[1],)


def test_one_network_shows_its_options_with_their_meaning() -> None:
    text = typed("dynunet_2d")
    assert "482,337 parameters" in text
    for option in network_options("dynunet_2d"):
        assert f"\n{option.name} = {option.default} " in text
        assert option.meaning
        assert option.meaning.split("\n")[0] in text
    record = json.loads(typed("dynunet_2d", "--json"))
    assert {option["name"] for option in record["options"]} == set(options_of("dynunet_2d").model_fields)


@pytest.mark.parametrize("name", network_names())
def test_every_default_that_is_shown_is_one_that_can_be_typed(name: str) -> None:
    text = "\n".join(f"{option.name} = {option.default}" for option in network_options(name))
    kind = options_of(name)
    assert kind.model_validate(tomllib.loads(text)) == kind()


def test_a_name_that_is_none_offers_the_nearest() -> None:
    for ask in (describe_network, network_options):
        with pytest.raises(NotFound, match="nearest: segresnet_3d"):
            ask("segresnet3d")


def test_a_description_is_plain_json() -> None:
    row = NetworkDescription("net", 2, 7, (None, 3), (1, 1), "A net.").row()
    assert row["receptive_field"] == [None, 3]


def test_help_needs_no_torch() -> None:
    code = (
        "import sys, contextlib, io\nfrom organelle.cli import main\nsys.argv = ['csc', 'models', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
        "print([name for name in ('torch', 'monai', 'numpy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
