"""What goes with a submission, as strangers send it: texts, a link, consents, the lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from organelle.errors import printable
from organelle.portal.submissions.refusal import Refused

LONGEST = {"method": 100, "description": 4000, "code_url": 300}
EDITABLE = frozenset({*LONGEST, "publish", "anonymous"})
LINEAGE_BYTES = 8 << 20
"""The longest lineage that is kept."""

YES = frozenset({"true", "1", "yes", "on"})
NO = frozenset({"false", "0", "no", "off", ""})


def read_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the known fields that are given, as the model keeps them; other keys are passed over.

    Raises:
        Refused: a text that is too long or none, a link that is none, a consent that is neither yes nor no.
    """
    found: dict[str, Any] = {}
    for name, most in LONGEST.items():
        if given.get(name) is not None:
            found[name] = _text(name, given[name], most)
    for name in ("publish", "anonymous"):
        if given.get(name) is not None:
            found[name] = _yes(name, given[name])
    if found.get("code_url"):
        _require_link(found["code_url"])
    if given.get("lineage") is not None:
        found["lineage"] = read_lineage(given["lineage"])
    return found


def read_lineage(given: Any) -> dict[str, Any]:
    """The lineage, a JSON object as text, bytes or values, without what a database cannot keep.

    Raises:
        Refused: it is no such object, or too long.
    """
    try:
        record = json.loads(given) if isinstance(given, str | bytes) else given
        text = json.dumps(record, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (ValueError, RecursionError, TypeError) as error:
        raise Refused(f"the lineage is no JSON: {printable(str(error), most=200)}", "field") from None
    if not isinstance(record, dict):
        raise Refused("the lineage is no JSON object; send the file that csc pack-results wrote", "field")
    if size > LINEAGE_BYTES:
        raise Refused(f"the lineage has {size} bytes; at most {LINEAGE_BYTES} are kept", "field")
    if "\\u0000" in text:
        raise Refused("the lineage holds the letter NUL, which nobody can keep; leave it out", "field")
    return record


def file_name(given: Any) -> str:
    """The last part of a path, as it may be shown; `submission.zip` when nothing is left of it."""
    text = str(given or "").encode(errors="replace").decode()
    name = PurePosixPath(PureWindowsPath(text).name).name
    return printable(name, most=190)[:200] if name.strip(". ") else "submission.zip"


def _text(name: str, given: Any, most: int) -> str:
    if not isinstance(given, str):
        raise Refused(f"{name} is to be a text", "field")
    text = given.replace("\r\n", "\n").strip()
    if len(text) > most:
        raise Refused(f"{name} has {len(text)} letters; at most {most} are kept", "field")
    if any(not (c.isprintable() or c in "\n\t") for c in text):
        raise Refused(f"{name} holds letters that cannot be shown; leave them out", "field")
    return text


def _yes(name: str, given: Any) -> bool:
    word = str(given).strip().lower()
    if word not in YES | NO:
        raise Refused(f"{name} is to be true or false, not {printable(word, most=40)}", "field")
    return word in YES


def _require_link(text: str) -> None:
    try:
        URLValidator(schemes=["http", "https"])(text)
    except ValidationError:
        raise Refused(f"code_url is no address of the web: {printable(text, most=80)}", "field") from None
