"""Own parts by import path, `package.module:Name`."""

from __future__ import annotations

import importlib
from typing import Any

from organelle.errors import NotFound, SettingsError, did_you_mean


def import_named(path: str) -> Any:
    """The object that `package.module:Name` stands for.

    Raises:
        SettingsError: not of that form.
        NotFound: no such module on the import path, or no such name in it; nearest names offered.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise SettingsError(f'{path!r} is not an import path; write it as "package.module:Name"')
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise NotFound(
            f"{path}: no module {error.name!r} can be imported; install it, or put its folder on PYTHONPATH"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise NotFound(f"{path}: {module_name} has no {name!r}{did_you_mean(name, vars(module))}") from None
