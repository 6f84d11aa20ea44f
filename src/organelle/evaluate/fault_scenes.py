"""A Neuroglancer scene of a fault: EM from the public bucket, or everything from a server of one's own."""

from __future__ import annotations

from organelle.catalog import em_folder, public_em_url
from organelle.evaluate.explain import ExplainedRow
from organelle.evaluate.fault_words import KIND_WORDS
from organelle.metrics import Fault
from organelle.scenes import Labels, Scene


def fault_scene(row: ExplainedRow, fault: Fault, dataset: str, serve_url: str | None = None) -> Scene:
    """Where a fault is and what to look at there.

    Args:
        row: The row that it is in.
        fault: One of its faults.
        dataset: Of the crop.
        serve_url: Where a server offers the data folder as `data/`, and truth and prediction, as they were
            scored and on the crop's grid, as `truth/crop{N}/{class}` and `submission/crop{N}/{class}`.
            None: only EM is shown, of datasets that are in the challenge's public bucket.
    """
    labels: tuple[Labels, ...] = ()
    em_url = public_em_url(dataset)
    if serve_url is not None:
        base = serve_url.rstrip("/")
        em_url = f"{base}/{em_folder('data', dataset).as_posix()}"
        labels = (
            Labels("truth", f"{base}/truth/{row.place}", row.grid, fault.truth),
            Labels("prediction", f"{base}/submission/{row.place}", row.grid),
        )
    note = f"{KIND_WORDS[fault.kind]}: {row.class_name}"
    return Scene(row.grid.to_nm(fault.voxel), row.grid.extent_of(fault.box), note, em_url, labels)
