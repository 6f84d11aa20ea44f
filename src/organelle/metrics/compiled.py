"""Loops over voxels, compiled by numba, which itself says nothing of types.

Importing a module that uses this loads numba: do it inside of the function that needs the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Loop = TypeVar("Loop")

    def njit(**options: Any) -> Callable[[Loop], Loop]:
        """Compile a loop."""

else:
    import numba

    def njit(**options):
        """Compile a loop; without a cache where there is no folder to keep one in."""

        def compiled(loop):
            try:
                return numba.njit(**options)(loop)
            except RuntimeError as error:  # a read-only installation, used by somebody without a home
                if "no locator available" not in str(error):
                    raise
                return numba.njit(**options | {"cache": False})(loop)

        return compiled


__all__ = ["njit"]
