"""Ways to memory that no loop in Python expresses, as instructions of LLVM.

`gather` reads many unaligned 32-bit words at once, from places that follow no order. Compilers write a loop
of such reads one by one, because they cannot know that what is read is not written meanwhile. LLVM's masked
gather says so; it becomes the processor's instruction where there is one (AVX2 and later), else single reads.
`prefetch` asks for memory that will be needed soon.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

LANES = 8
"""Words read at once."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WORDS, _PLACES, _MASK = (ir.VectorType(kind, LANES) for kind in (_I32, _I64, ir.IntType(1)))
_BYTES = ir.IntType(8).as_pointer()
_POINTERS = ir.VectorType(_I32.as_pointer(), LANES)


@intrinsic  # type: ignore[untyped-decorator]
def gather(typing: Any, flat: Any, ahead: Any, place: Any, at: Any, words: Any) -> Any:  # noqa: ARG001
    """`words[at + a]` becomes the four bytes from `flat[place[at + a] + ahead]` on, for `a` below `LANES`.

    Nothing is checked: four bytes must be there, whatever the type of `flat` (1D, contiguous); `place` and
    `words` are contiguous uint32. The byte order is the processor's.
    """
    return types.void(flat, types.uint64, place, types.int64, words), _write_gather


def _write_gather(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The intrinsic as instructions of LLVM."""
    flat, place, words = (
        context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 2, 4)
    )
    ahead, at = arguments[1], arguments[3]
    size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
    start = builder.add(builder.ptrtoint(flat.data, _I64), builder.mul(ahead, _I64(size)))
    here = builder.bitcast(builder.gep(place.data, [at]), _WORDS.as_pointer())
    steps = builder.zext(builder.load(here, align=4), _PLACES)
    steps = builder.mul(steps, ir.Constant(_PLACES, [size] * LANES))
    nothing = ir.Constant(_PLACES, ir.Undefined)
    every = builder.insert_element(nothing, start, _I32(0))
    every = builder.shuffle_vector(every, nothing, ir.Constant(_WORDS, [0] * LANES))
    pointers = builder.inttoptr(builder.add(every, steps), _POINTERS)
    kind = ir.FunctionType(_WORDS, [_POINTERS, _I32, _MASK, _WORDS])
    name = f"llvm.masked.gather.v{LANES}i32.v{LANES}p0"
    function = builder.module.declare_intrinsic(name, fnty=kind)
    found = builder.call(
        function, [pointers, _I32(1), ir.Constant(_MASK, [1] * LANES), ir.Constant(_WORDS, ir.Undefined)]
    )
    there = builder.bitcast(builder.gep(words.data, [at]), _WORDS.as_pointer())
    builder.store(found, there, align=4)
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing: Any, flat: Any, at: Any) -> Any:  # noqa: ARG001
    """Let `flat[at]` come into the cache; nothing waits for it, and a place outside does no harm."""
    return types.void(flat, types.int64), _write_prefetch


def _write_prefetch(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The intrinsic as instructions of LLVM."""
    flat = context.make_array(signature.args[0])(context, builder, arguments[0])
    here = builder.bitcast(builder.gep(flat.data, [arguments[1]]), _BYTES)
    kind = ir.FunctionType(ir.VoidType(), [_BYTES, _I32, _I32, _I32])
    function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=kind)
    builder.call(function, [here, _I32(0), _I32(3), _I32(1)])  # to read, kept as near as can be, data
    return context.get_dummy_value()
