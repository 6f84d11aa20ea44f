"""What a source holds: its metadata copied to a folder, where it can be read like any other volume.

Sizes of chunks are only noted. So the same code plans for a folder, for S3 and for an HTTP server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from organelle.fetch.digests import expected_digest
from organelle.stores import Entry, Source
from organelle.volumes.ngff import parse_multiscales
from organelle.volumes.nodes import is_node, read_node

METADATA_FILES = (".zgroup", ".zattrs", ".zarray", "zarr.json")


@dataclass(frozen=True, slots=True)
class FetchObject:
    """One stored file: its path below the bucket's root, its size, and its ETag if the store has one."""

    key: str
    bytes: int
    etag: str | None = None

    @property
    def digest(self) -> str | None:
        """What its `Digest` must be; None if nobody knows."""
        return expected_digest(self.etag)

    @property
    def is_metadata(self) -> bool:
        """Whether it makes a volume appear; such files are put in place after the voxels."""
        return self.key.rpartition("/")[2] in METADATA_FILES


class Survey:
    """Objects of `source` that were asked for; `root` stands for it, with its metadata alone.

    Paths below `root` name objects of the source, whether they are there or not.
    """

    def __init__(self, source: Source, root: Path) -> None:
        self.source, self.root, self.url = source, root, source.url
        self._found: dict[str, Entry | None] = {}
        self._listed: set[str] = set()

    def key(self, path: Path) -> str:
        """The key of the object that `path` stands for."""
        return path.relative_to(self.root).as_posix()

    def upward(self, path: Path) -> list[Path]:
        """`path` and the folders above it, top first, without the root itself."""
        return [p for p in (*reversed(path.parents), path) if self.root in p.parents]

    def list_below(self, folders: Iterable[Path]) -> None:
        """Note everything below `folders` in one listing each; nothing where the store cannot list."""
        if not self.source.lists:
            return
        prefixes = [self.key(folder) for folder in folders]
        for listed in self.source.each(prefixes, self.source.below):
            self._found.update(listed)
        self._listed.update(prefixes)

    def ask(self, files: Iterable[Path]) -> None:
        """Note which of `files` exist, and their sizes."""
        keys = dict.fromkeys(self.key(file) for file in files)
        unknown = [key for key in keys if key not in self._found and not self._is_listed(key)]
        self._found.update(dict.fromkeys(unknown))
        self._found.update(self.source.ask(unknown))

    def read(self, nodes: Iterable[Path]) -> None:
        """Copy the metadata of `nodes` to their place below the root."""
        files = [node / name for node in dict.fromkeys(nodes) for name in METADATA_FILES]
        self.ask(files)
        new = [file for file in files if self._found.get(self.key(file)) and not file.exists()]
        answers = self.source.each((self.key(file) for file in new), self.source.get)
        for file, (data, entry) in zip(new, answers, strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            self._found[self.key(file)] = entry

    def read_images(self, images: Iterable[Path]) -> None:
        """Copy the metadata of multiscale images, of the groups above them, and of the levels they list."""
        folders = list(images)
        self.read(node for folder in folders for node in self.upward(folder))
        levels: list[Path] = []
        for folder in folders:
            attributes = read_node(folder).attributes if is_node(folder) else {}
            listed = parse_multiscales(attributes, str(folder)) or ()
            levels += [folder / level.name for level in listed]
        self.read(levels)

    def metadata(self, nodes: Iterable[Path]) -> tuple[FetchObject, ...]:
        """Metadata of `nodes` and of the groups above them, each once."""
        upward = dict.fromkeys(place for node in nodes for place in self.upward(node))
        return self.objects(place / name for place in upward for name in METADATA_FILES)

    def objects(self, files: Iterable[Path]) -> tuple[FetchObject, ...]:
        """Those of `files` that exist."""
        entries = ((key, self._found.get(key)) for key in map(self.key, files))
        return tuple(FetchObject(key, e.bytes, e.etag) for key, e in entries if e is not None)

    def missing(self, files: Iterable[Path]) -> list[Path]:
        """Those of `files` that do not exist."""
        return [file for file in files if self._found.get(self.key(file)) is None]

    def _is_listed(self, key: str) -> bool:
        parts = key.split("/")
        return any("/".join(parts[:n]) in self._listed for n in range(1, len(parts)))
