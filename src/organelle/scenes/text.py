"""A small bitmap alphabet, so that captions need no font and look the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 9, 6
"""Pixels of a character at scale 1 with its gap: 7 rows above the line, 1 below, 1 apart; 5 columns + 1."""


def write_text(text: str, *, scale: int = 1) -> npt.NDArray[np.bool_]:
    """The ink of one line of `text`, shape (9 * scale, 6 * scale * length).

    Characters outside printable ASCII appear as a question mark.
    """
    codes = [ord(c) if " " <= c <= "~" else ord("?") for c in text]
    columns = b"".join(_COLUMNS[5 * (c - 32) : 5 * (c - 32) + 5] + b"\0" for c in codes)
    bits = np.unpackbits(np.frombuffer(columns, np.uint8)[None], axis=0, bitorder="little").astype(bool)
    ink = np.vstack([bits, np.zeros_like(bits[:1])])
    return ink.repeat(scale, axis=0).repeat(scale, axis=1)


# Five columns per character from space to tilde, lowest bit on top.
_COLUMNS = bytes.fromhex(
    "0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000"
    "001c224100 0041221c00 14083e0814 08083e0808 0050300000 0808080808 0060600000 2010080402"
    "3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503"
    "3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 0041221408 0201510906"
    "324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a"
    "7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e"
    "7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f"
    "6314081463 0708700807 6151494543 007f414100 0204081020 0041417f00 0402010204 4040404040"
    "0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 087e090102 18a4a49c78"
    "7f08040478 00447d4000 2040443d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438"
    "fc18242418 18242418fc 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c"
    "4428102844 1ca0a0907c 4464544c44 0008364100 00007f0000 0041360800 1008081008"
)
