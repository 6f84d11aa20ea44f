"""The organelle classes: names, members, and what the presence of one says about another.

The table is that of the CellMap Segmentation Challenge (77 classes, 48 of them scored). Relations hold
per voxel and follow from members alone, where ids(A) = the members of A and A itself:

- A and B *exclude* each other when ids(A) and ids(B) share nothing: where A is, B is not.
- A *implies* B when all that A is made of belongs to B: a leaf implies every group that contains it, and
  a group implies every group that contains all of its members.
- all members of a group absent implies the group absent, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache

from organelle.errors import ClassNotFound, did_you_mean


class Kind(Enum):
    """How a layer's values are to be understood, and hence how it may be resampled."""

    IMAGE = "image"
    SEMANTIC = "semantic"
    INSTANCE = "instance"

    @property
    def interpolatable(self) -> bool:
        """Whether values between two voxels mean something: grey values do, labels do not."""
        return self is Kind.IMAGE


@dataclass(frozen=True, slots=True)
class OrganelleClass:
    """One row of the table; `members` are the ids of the leaves that a group contains."""

    id: int
    name: str
    long_name: str
    members: frozenset[int]
    scored_as: Kind | None

    @property
    def is_group(self) -> bool:
        """Whether the class is the union of others."""
        return bool(self.members)

    @property
    def ids(self) -> frozenset[int]:
        """The members and the class itself."""
        return self.members | {self.id}

    def excludes(self, other: OrganelleClass) -> bool:
        """Whether no voxel can be both."""
        return not self.ids & other.ids

    def implies(self, other: OrganelleClass) -> bool:
        """Whether a voxel of this class is always one of `other` too; a class implies itself."""
        return self is other or (self.members or self.ids) <= other.ids


def all_classes() -> tuple[OrganelleClass, ...]:
    """Every class, by id."""
    return tuple(_by_name().values())


def scored_classes() -> tuple[OrganelleClass, ...]:
    """The classes that the challenge scores, by id."""
    return tuple(c for c in all_classes() if c.scored_as)


def class_named(name: str) -> OrganelleClass:
    """The class called `name`.

    Raises:
        ClassNotFound: with the nearest names.
    """
    try:
        return _by_name()[name]
    except KeyError:
        raise ClassNotFound(
            f"{name!r} is not an organelle class{did_you_mean(name, _by_name())}. "
            'The names are listed by "csc catalog classes"'
        ) from None


def kind_of(name: str) -> Kind:
    """How `name` is labelled and scored; classes outside the challenge's score count as semantic."""
    return class_named(name).scored_as or Kind.SEMANTIC


def members_of(group: OrganelleClass) -> tuple[OrganelleClass, ...]:
    """The leaves of a group, by id; empty for a leaf."""
    return tuple(c for c in all_classes() if c.id in group.members)


def sort_classes(names: Iterable[str]) -> tuple[str, ...]:
    """The distinct `names` in the order of the table; an unknown name raises `ClassNotFound`."""
    return tuple(sorted(set(names), key=lambda name: class_named(name).id))


@cache
def _by_name() -> dict[str, OrganelleClass]:
    return {c.name: c for c in map(_parse, _TABLE.strip().splitlines())}


def _parse(line: str) -> OrganelleClass:
    number, name, scored, long_name, members = (cell.strip() for cell in line.split("|"))
    kind = {"-": None, "s": Kind.SEMANTIC, "i": Kind.INSTANCE}[scored]
    return OrganelleClass(int(number), name, long_name, frozenset(_numbers(members)), kind)


def _numbers(text: str) -> Iterable[int]:
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


# id | name | scored as (s semantic, i instance, - not scored) | long name | members (leaf ids)
_TABLE = """
 1 | ecs        | s | extracellular space                        |
 2 | pm         | s | plasma membrane                            |
 3 | mito_mem   | s | mitochondrial membrane                     |
 4 | mito_lum   | s | mitochondrial lumen                        |
 5 | mito_ribo  | s | mitochondrial ribosome                     |
 6 | golgi_mem  | s | Golgi membrane                             |
 7 | golgi_lum  | s | Golgi lumen                                |
 8 | ves_mem    | s | vesicle membrane                           |
 9 | ves_lum    | s | vesicle lumen                              |
10 | endo_mem   | s | endosome membrane                          |
11 | endo_lum   | s | endosome lumen                             |
12 | lyso_mem   | s | lysosome membrane                          |
13 | lyso_lum   | s | lysosome lumen                             |
14 | ld_mem     | s | lipid droplet membrane                     |
15 | ld_lum     | s | lipid droplet lumen                        |
16 | er_mem     | s | endoplasmic reticulum membrane             |
17 | er_lum     | s | endoplasmic reticulum lumen                |
18 | eres_mem   | s | endoplasmic reticulum exit site membrane   |
19 | eres_lum   | s | endoplasmic reticulum exit site lumen      |
20 | ne_mem     | s | nuclear envelope membrane                  |
21 | ne_lum     | s | nuclear envelope lumen                     |
22 | np_out     | s | nuclear pore out                           |
23 | np_in      | s | nuclear pore in                            |
24 | hchrom     | s | heterochromatin                            |
25 | nhchrom    | - | nucleolus-associated heterochromatin       |
26 | echrom     | s | euchromatin                                |
27 | nechrom    | - | nucleolus-associated euchromatin           |
28 | nucpl      | s | nucleoplasm                                |
29 | nucleo     | - | nucleolus                                  |
30 | mt_out     | s | microtubule out                            |
31 | cent       | - | centrosome                                 |
32 | cent_dapp  | - | centrosome distal appendage                |
33 | cent_sdapp | - | centrosome subdistal appendage             |
34 | ribo       | - | ribosomes                                  |
35 | cyto       | s | cytosol                                    |
36 | mt_in      | s | microtubule in                             |
37 | nuc        | i | nucleus                                    | 20-29
38 | vim        | - | vimentin                                   |
39 | glyco      | - | glycogen                                   |
40 | golgi      | s | Golgi                                      | 6-7
41 | ves        | i | vesicle                                    | 8-9
42 | endo       | i | endosome                                   | 10-11
43 | lyso       | i | lysosome                                   | 12-13
44 | ld         | i | lipid droplet                              | 14-15
45 | rbc        | - | red blood cells                            |
46 | eres       | s | endoplasmic reticulum exit site            | 18-19
47 | perox_mem  | s | peroxisome membrane                        |
48 | perox_lum  | s | peroxisome lumen                           |
49 | perox      | i | peroxisome                                 | 47-48
50 | mito       | i | mitochondria                               | 3-5
51 | er         | s | endoplasmic reticulum                      | 16-23
52 | ne         | s | nuclear envelope                           | 20-23
53 | np         | i | nuclear pore                               | 22-23
54 | chrom      | s | chromatin                                  | 24-27
55 | mt         | i | microtubule                                | 30 36
56 | isg_mem    | - | insulin secretory granule membrane         |
57 | isg_lum    | - | insulin secretory granule lumen            |
58 | isg_ins    | - | insulin secretory granule insulin          |
59 | isg        | - | insulin secretory granule                  | 56-58
60 | cell       | i | cell                                       | 2-36 38-39 47-48 56-58 61-62
61 | actin      | - | actin                                      |
62 | tbar       | - | t-bar                                      |
63 | bm         | - | basement membrane                          |
64 | er_mem_all | s | endoplasmic reticulum membrane collective  | 16 18 20
65 | ne_mem_all | s | nuclear envelope membrane collective       | 20 22-23
66 | cent_all   | - | centrosome collective                      | 31-33
67 | chlor_mem  | - | chloroplast membrane                       |
68 | chlor_lum  | - | chloroplast lumen                          |
69 | chlor_sg   | - | chloroplast starch granule                 |
70 | chlor      | - | chloroplast                                | 67-69
71 | vac_mem    | - | vacuole membrane                           |
72 | vac_lum    | - | vacuole lumen                              |
73 | vac        | - | vacuole                                    | 71-72
74 | pd         | - | plasmodesmata                              |
75 | yolk_mem   | - | yolk organelle membrane                    |
76 | yolk_lum   | - | yolk organelle lumen                       |
77 | yolk       | - | yolk organelle                             | 75-76
"""
