"""What any stored volume is, whatever state it is in: it is looked at, and nothing is changed.

Where `open_multiscale` ends at the first fault, `inspect_image` goes on and tells all of them together.
The work is bounded: metadata, names and sizes of at most 100,000 files per level, and a few chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from organelle.errors import OrganelleError
from organelle.stores import Place, Remote, as_place, which_exist
from organelle.stores.places import NODE_FILES
from organelle.volumes.inspect_arrays import check_array, check_count, check_sample
from organelle.volumes.inspect_chunks import Stored, count_chunks
from organelle.volumes.inspect_groups import folders_in, images_inside, what_it_is
from organelle.volumes.inspect_levels import axes_of, check_levels, image_record, listed_levels
from organelle.volumes.inspect_metadata import Findings, RawNode, array_report, read_raw
from organelle.volumes.inspect_records import Inspection, LevelReport, Severity
from organelle.volumes.inspect_sample import Wanted, sample_values
from organelle.volumes.inspect_uses import encoding_of, uses_of
from organelle.volumes.multiscale import open_multiscale
from organelle.volumes.ngff import Level

SAMPLED_CHUNKS = 8
"""Chunks of the finest level that are read; of the others one each."""


def inspect_image(place: Place | str, *, sampled_chunks: int = SAMPLED_CHUNKS) -> Inspection:
    """Look at an OME-NGFF image, a single zarr array, or a group, and tell what it is and what is wrong.

    Nothing that is stored there raises an error; only an address that cannot be one does.

    Args:
        place: path, `s3://`, `http(s)://` or `file://`.
        sampled_chunks: chunks of the finest level whose values are read, in a child process; one of each
            other level. 0 reads no voxel.

    Raises:
        SettingsError: an address of another kind.
    """
    here = as_place(place)
    found = Findings()
    try:
        inspection = _inspect(here, sampled_chunks, found)
    except OrganelleError as error:  # the store itself: not allowed, not reached
        found.error("unreachable", here, str(error), "check the address, permissions and the network")
        inspection = Inspection(str(here), "nothing")
    except OSError as error:
        found.error("unreadable", here, str(error), "check permissions and the disk")
        inspection = Inspection(str(here), "nothing")
    except Exception as error:  # noqa: BLE001  no volume is so broken that it must not be told of
        what = f"it cannot be made sense of ({type(error).__name__}: {error})"
        found.error("unreadable", here, what, "write the volume again")
        inspection = Inspection(str(here), "nothing")
    order = list(Severity)
    ranked = sorted(found.problems, key=lambda p: order.index(p.severity))
    return replace(inspection, problems=tuple(ranked))


def _inspect(place: Place, sampled: int, found: Findings) -> Inspection:
    if isinstance(place, Remote):
        which_exist([place / name for name in NODE_FILES])  # a server that does not answer is told of once
    node = read_raw(place, found)
    if node.kind == "array":
        return _array(node, sampled, found)
    image, _ = image_record(node.attributes)
    if node.kind == "group" and image is not None:
        return _image(node, sampled, found)
    return _no_image(node, found)


def _no_image(node: RawNode, found: Findings) -> Inspection:
    inside = images_inside(node) if node.place.is_dir() else ()
    if node.kind == "group":
        found.error(
            "no-image",
            node.place,
            "it is a group without multiscales metadata, not an image",
            "name one of the images in it" if inside else "name the folder of an image",
        )
    elif not found.problems:
        what, following = what_it_is(node.place)
        found.error("not-zarr", node.place, what, following)
    return Inspection(str(node.place), node.kind, inside=inside)


@dataclass(frozen=True)
class _Seen:
    """An array, what was told of it, and what is stored of it."""

    node: RawNode
    report: LevelReport
    stored: Stored | None = None


def _array(node: RawNode, sampled: int, found: Findings) -> Inspection:
    (report,) = _with_samples([_look_at(node, node.place.name, found)], sampled, found)
    (report,) = _placed(node.place, (report,), found)
    encoding = encoding_of({}, node.attributes, node.place.name, found)
    uses = uses_of(report, node.attributes, encoding, opened=not _has_error(found))
    return Inspection(str(node.place), "array", levels=(report,), encoding=encoding, uses=uses)


def _image(node: RawNode, sampled: int, found: Findings) -> Inspection:
    image, version = image_record(node.attributes)
    where = str(node.place)
    axes = axes_of(image or {}, where, found)
    seen = [
        _level(node.place, listed, found)
        for listed in listed_levels(node.attributes, where, found)
        if _is_below(listed, where, found)
    ]
    levels = tuple(_with_samples(seen, sampled, found))
    check_levels(levels, where, found)
    _check_unlisted(node, levels, found)
    finest = next((one for one in seen if one.report.is_here), None)
    attributes = finest.node.attributes if finest else {}
    encoding = encoding_of(node.attributes, attributes, node.place.name, found)
    _placed(node.place, levels, found)
    first = next((level for level in levels if level.is_here), None)
    uses = uses_of(first, node.attributes, encoding, opened=not _has_error(found))
    return Inspection(where, "image", version, axes, levels, encoding=encoding, uses=uses)


def _level(image: Place, listed: Level | str, found: Findings) -> _Seen:
    name = _name(listed)
    node = read_raw(image / name, found)
    if node.kind == "group":
        found.error(
            "level-group",
            node.place,
            "it is a group, but listed as a level, which must be an array",
            "mend the path of the level",
        )
    seen = _look_at(node, name, found) if node.kind == "array" else _Seen(node, LevelReport(name, False))
    if isinstance(listed, str):
        return seen
    size, origin = listed.voxel_size_nm, listed.origin_nm
    return replace(seen, report=replace(seen.report, voxel_size_nm=size, origin_nm=origin))


def _look_at(node: RawNode, name: str, found: Findings) -> _Seen:
    """All about one array but its values."""
    where = str(node.place)
    report = array_report(node, name, found)
    check_array(report, where, found)
    stored = count_chunks(node.place, report)
    if stored is None:
        return _Seen(node, report)
    report = replace(report, count=stored.count)
    check_count(report, where, found)
    return _Seen(node, report, stored)


def _with_samples(seen: Sequence[_Seen], sampled: int, found: Findings) -> list[LevelReport]:
    """The reports with values: of `sampled` chunks of the first that is stored, of one of the others."""
    here = [number for number, one in enumerate(seen) if one.stored is not None and sampled]
    wanted = [
        Wanted(seen[n].node.place, seen[n].report, stored, 1 if rank else sampled)
        for rank, n in enumerate(here)
        if (stored := seen[n].stored)
    ]
    reports = [one.report for one in seen]
    for n, sample in zip(here, sample_values(wanted, found), strict=True):
        reports[n] = replace(reports[n], sample=sample)
        check_sample(reports[n], str(seen[n].node.place), found)
    return reports


def _placed(place: Place, levels: tuple[LevelReport, ...], found: Findings) -> tuple[LevelReport, ...]:
    """`levels` with voxel sizes as the stages see them; what they cannot open is a problem."""
    try:
        image = open_multiscale(place)
    except OrganelleError as error:
        if not _has_error(found):
            found.error(
                "cannot-open", place, str(error), "mend the metadata, or turn it with csc catalog import"
            )
        return levels
    except Exception as error:  # noqa: BLE001  whatever a stranger's metadata breaks is told, not raised
        what = f"opening it fails ({type(error).__name__}: {error})"
        found.error("cannot-open", place, what, "mend the metadata, or turn it with csc catalog import")
        return levels
    grids = {volume.name: volume.grid for volume in image.levels}
    return tuple(
        replace(level, voxel_size_nm=grids[level.name].voxel_size_nm, origin_nm=grids[level.name].origin_nm)
        if level.name in grids
        else level
        for level in levels
    )


def _check_unlisted(node: RawNode, levels: Sequence[LevelReport], found: Findings) -> None:
    listed = {level.name for level in levels}
    names = [p.name for p in _arrays_beside(node) if p.name not in listed]
    if names:
        found.note(
            "unlisted-arrays",
            node.place,
            f"{', '.join(names[:5])} lies in the image, but is no level of it",
            "list it in the metadata, or remove it",
        )


def _arrays_beside(node: RawNode) -> list[Place]:
    return [place for place in folders_in(node.place)[:64] if read_raw(place, Findings()).kind == "array"]


def _is_below(listed: Level | str, where: str, found: Findings) -> bool:
    """Whether a level lies in its image, as it must; a problem if not."""
    name = _name(listed)
    if name and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name:
        return True
    found.error("level-path", where, f"the level {name!r} lies outside of the image", "mend the path")
    return False


def _name(listed: Level | str) -> str:
    return listed if isinstance(listed, str) else listed.name


def _has_error(found: Findings) -> bool:
    return any(p.severity is Severity.ERROR for p in found.problems)
