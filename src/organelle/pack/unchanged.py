"""Whether a zip still holds what would be packed now, by the lineage beside it: nothing is packed."""

from __future__ import annotations

from pathlib import Path

from organelle.files import sha256
from organelle.pack.lineage import read_lineage, trace_row
from organelle.pack.plan import PackPlan
from organelle.pack.settings import PackSettings


def changed_rows(
    plan: PackPlan, out: Path | str, *, catalog: str, settings: PackSettings | None = None
) -> tuple[str, ...]:
    """Names of the rows that would become others than they are in the zip `out`, in the table's order.

    A row is the same when it comes from the same place and the volume there says the same about its making;
    of a volume that does not say, the hash of its files is compared.

    Args:
        plan: what would be packed.
        out: the zip.
        catalog: name of the table of crops.
        settings: how it would be stored.

    Returns:
        All rows where the lineage belongs to another file, table or way of storing.

    Raises:
        FileMissing: there is no zip, or no lineage beside it.
        FormatError: the lineage is broken.
    """
    final, stored = Path(out), settings or PackSettings()
    record = read_lineage(final)
    told = {row["row"]: row for row in record["rows"]}
    same_file = record.get("submission", {}).get("sha256") == sha256(final)
    same_way = (record["catalog"], record["settings"]) == (catalog, stored.model_dump(mode="json"))
    if not (same_file and same_way and list(told) == [row.name for row in plan.rows]):
        return tuple(row.name for row in plan.rows)
    home = final.resolve().parent
    return tuple(
        row.name
        for row in plan.rows
        if any(told[row.name].get(key) != value for key, value in trace_row(row, home).items())
    )
