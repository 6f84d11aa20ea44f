"""Whatever is done to a valid zip, the answer is a report or a clear error, never a crash."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from drawn_submissions import CHALLENGE, perfect_files, zip_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from organelle.errors import OrganelleError
from organelle.submission import open_submission, validate

VALID = zip_bytes(perfect_files())
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(VALID) - 1), st.sampled_from(["flip", "drop", "copy", "ones"]), st.integers(1, 64)
    ),
    min_size=1,
    max_size=6,
)


def mutate(data: bytes, edits: list[tuple[int, str, int]]) -> bytes:
    for at, how, length in edits:
        part = data[at : at + length]
        new = {
            "flip": bytes(b ^ 0x55 for b in part),
            "drop": b"",
            "copy": part * 2,
            "ones": b"\xff" * len(part),
        }
        data = data[:at] + new[how] + data[at + length :]
    return data


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS)
def test_mutated_zips(tmp_path: Path, edits: list[tuple[int, str, int]]) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(mutate(VALID, edits))
    validate(path, CHALLENGE)
    with suppress(OrganelleError), open_submission(path) as submission:
        for crop, class_name in submission.names():
            found = submission.array(crop, class_name)
            if found is not None:
                found.read()
