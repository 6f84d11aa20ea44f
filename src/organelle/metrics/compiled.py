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
    from numba import njit

__all__ = ["njit"]
