"""Zips are read in place, as zipfile reads honest ones; those with two readings are refused."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from drawn_submissions import perfect_files, write_zip, zip_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from organelle.errors import FileMissing, FormatError, SubmissionError
from organelle.submission import Limits, open_submission
from organelle.submission.archive import ZipTree
from organelle.submission.tree import FolderTree, open_tree

NAMES = st.lists(
    st.lists(st.sampled_from(["a", "b", "a0", "ä", ".z", "1.0"]), min_size=1, max_size=3).map("/".join),
    max_size=8,
    unique=True,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=NAMES, data=st.data(), deflate=st.booleans())
def test_same_members_and_bytes_as_zipfile(
    tmp_path: Path, names: list[str], data: st.DataObject, deflate: bool
) -> None:
    files = {name: data.draw(st.binary(max_size=200)) for name in names}
    path = write_zip(tmp_path / "a.zip", files, deflate=deflate)
    tree = ZipTree(path, Limits())

    assert tree.problems == ()
    for name, content in files.items():
        assert tree.read(name, 200) == content
    for folder in ("", "a/", "a0/", "a/b/"):
        below = [n.removeprefix(folder) for n in files if n.startswith(folder)]
        assert tree.children(folder) == (
            tuple(sorted({n.split("/")[0] for n in below if "/" in n})),
            tuple(sorted(n for n in below if "/" not in n)),
        )
    assert tree.read("nothing", 200) is None


def test_more_members_than_a_32_bit_directory_counts(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {f"crop1/{i}": b"" for i in range(66_000)} | {"crop1/last": b"here"})
    tree = ZipTree(path, Limits())
    assert tree.read("crop1/last", 9) == b"here"
    assert len(tree.children("crop1/")[1]) == 66_001
    assert tree.problems == ()
    with pytest.raises(SubmissionError, match="66,001 members"):
        ZipTree(path, Limits(members=66_000))


def test_member_beyond_4_gib_is_placed_by_the_zip64_field(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with path.open("wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("first", b"1")
        stream.seek(5 << 30)  # a hole: no disk space is used
        archive.start_dir = stream.tell()
        archive.writestr("second", b"2")
    tree = ZipTree(path, Limits())
    assert (tree.read("first", 9), tree.read("second", 9)) == (b"1", b"2")
    assert tree.problems == ()


def test_flood_is_refused_before_the_directory_is_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {f"crop1/{'x' * 150}{i}": b"" for i in range(20_000)})
    tracemalloc.start()
    with pytest.raises(SubmissionError, match="Use larger chunks"):
        ZipTree(path, Limits(directory_bytes=1 << 20))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("keep", [0, 10, 500, -1, -30, -400])
def test_truncated_file(tmp_path: Path, keep: int) -> None:
    (tmp_path / "a.zip").write_bytes(zip_bytes(perfect_files())[:keep])
    with pytest.raises(SubmissionError, match=r"not a zip|damaged|not where it says"):
        open_submission(tmp_path / "a.zip")


def test_nothing_there_names_the_neighbours(tmp_path: Path) -> None:
    write_zip(tmp_path / "submission.zip", {})
    with pytest.raises(FileMissing, match=r"submission\.zip"):
        open_submission(tmp_path / "submision.zip")


def test_duplicate_members(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", perfect_files())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("crop7/mito/0.0.0", b"other")
    with pytest.raises(SubmissionError, match=r"crop7/mito/0\.0\.0.*more than one"):
        open_submission(path)


def test_overlapping_members(tmp_path: Path) -> None:
    """Two names for the bytes of one member, as a zip bomb has thousands."""
    data = zip_bytes({"crop1/a": b"x" * 100, "crop1/b": b"y"})
    at = data.rindex(b"PK\1\2")
    first = data.index(b"PK\1\2")
    twin = bytearray(data)
    twin[at + 42 : at + 46] = data[first + 42 : first + 46]
    (tmp_path / "a.zip").write_bytes(bytes(twin))
    with pytest.raises(SubmissionError, match="bytes shared"):
        open_submission(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "C:/a",
        "crop1\\mito\\.zarray",
        "crop1/../x",
        "crop1//x",
        "a\nb",
        "a\x9b31m",
        "a\u202eb",
    ],
)
def test_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "a.zip", perfect_files() | {name: b"x"})
    with pytest.raises(SubmissionError, match="does not stay inside"):
        open_submission(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_symbolic_links(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", perfect_files())
    link = zipfile.ZipInfo("crop7/extra")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SubmissionError, match="symbolic link"):
        open_submission(path)


class TestMember:
    """What a single member may not be."""

    def patched(
        self, tmp_path: Path, offset: int, form: str, value: int, *, deflate: bool = False
    ) -> ZipTree:
        """A zip of one member `a` of 1000 bytes, overwritten at `offset` of its directory entry.

        Where its own header has the same field, that is overwritten, too.
        """
        path = write_zip(tmp_path / "a.zip", {"a": b"0123456789" * 100}, deflate=deflate)
        data = bytearray(path.read_bytes())
        struct.pack_into(form, data, data.index(b"PK\1\2") + offset, value)
        if 4 < offset < 28:
            struct.pack_into(form, data, offset - 2, value)
        path.write_bytes(data)
        return ZipTree(path, Limits())

    def test_larger_than_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="1000 bytes where at most 999"):
            self.patched(tmp_path, 4, "<H", 20).read("a", 999)

    @pytest.mark.parametrize("promised", [10, 999, 1001])
    def test_that_lies_about_its_size(self, tmp_path: Path, promised: int) -> None:
        with pytest.raises(FormatError, match="promises"):
            self.patched(tmp_path, 24, "<I", promised, deflate=True).read("a", 2000)

    def test_of_another_checksum(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="checksum"):
            self.patched(tmp_path, 16, "<I", 1).read("a", 2000)

    def test_that_is_encrypted(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="encrypted"):
            self.patched(tmp_path, 8, "<H", 1).read("a", 2000)

    def test_of_an_odd_compression(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="compression 14"):
            self.patched(tmp_path, 10, "<H", 14).read("a", 2000)

    @pytest.mark.parametrize("offset", [16, 20, 24])
    def test_whose_header_contradicts_the_directory(self, tmp_path: Path, offset: int) -> None:
        tree = self.patched(tmp_path, offset, "<I", 20)
        data = bytearray(tree.path.read_bytes())
        struct.pack_into("<I", data, offset - 2, 21)
        tree.path.write_bytes(data)
        with pytest.raises(FormatError, match="contradicts the zip's directory"):
            ZipTree(tree.path, Limits()).read("a", 2000)

    def test_whose_bytes_reach_into_the_directory(self, tmp_path: Path) -> None:
        """A longer field before the bytes moves them, which the directory does not tell."""
        path = write_zip(tmp_path / "a.zip", {"a": b"0123456789" * 100})
        data = bytearray(path.read_bytes())
        struct.pack_into("<H", data, 28, 8)
        path.write_bytes(data)
        with pytest.raises(FormatError, match="belong to another file"):
            ZipTree(path, Limits()).read("a", 2000)

    def test_whose_place_holds_something_else(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="another file's header"):
            self.patched(tmp_path, 42, "<I", 3).read("a", 2000)

    def test_with_damaged_deflate(self, tmp_path: Path) -> None:
        tree = self.patched(tmp_path, 4, "<H", 20, deflate=True)
        data = bytearray(tree.path.read_bytes())
        data[31] = 0xFF
        tree.path.write_bytes(data)
        with pytest.raises(FormatError, match="damaged bytes"):
            ZipTree(tree.path, Limits()).read("a", 2000)


def test_folder_and_zip_answer_alike(tmp_path: Path) -> None:
    files = perfect_files()
    for name, data in files.items():
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_bytes(data)
    folder, archive = (
        open_tree(tmp_path / "a", Limits()),
        ZipTree(write_zip(tmp_path / "a.zip", files), Limits()),
    )
    assert isinstance(folder, FolderTree)
    for place in ("", "crop7/", "crop7/mito/", "crop99/", ".zgroup/"):
        assert folder.children(place) == archive.children(place)
    for name in (*files, "crop7", "crop7/mito/.zarray/x", "nothing"):
        assert folder.read(name, 1 << 20) == archive.read(name, 1 << 20)
    with pytest.raises(FormatError, match="more than"):
        folder.read(".zgroup", 3)


def test_a_closed_zip_reads_nothing_more(tmp_path: Path) -> None:
    with open_submission(write_zip(tmp_path / "a.zip", perfect_files())) as submission:
        assert submission.array(7, "mito") is not None
    with pytest.raises(OSError, match="descriptor"):
        submission.array(7, "mito")
