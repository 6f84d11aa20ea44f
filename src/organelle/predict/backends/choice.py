"""Which backend runs a network, and where. Loads none of them."""

from __future__ import annotations

import importlib.util
from typing import Literal

from organelle.errors import SettingsError, require_installed

Backend = Literal["torch", "onnxruntime", "openvino"]

NEEDED: dict[str, tuple[str, ...]] = {
    "openvino": ("openvino", "onnxruntime", "onnx", "onnxscript"),
    "onnxruntime": ("onnxruntime", "onnx", "onnxscript"),
}
"""Modules that it takes beside torch: the last two write the ONNX file, and it is tried in onnxruntime."""


def choose_backend(wanted: Backend | Literal["auto"], device: str = "auto") -> Backend:
    """`auto` as the fastest that is installed; any other is checked.

    On a GPU that is torch; on a CPU OpenVINO, then ONNX Runtime. Nothing is loaded.

    Raises:
        MissingExtra: what was asked for is not installed.
        SettingsError: a GPU for a backend that runs on the CPU here.
    """
    if wanted == "torch":
        return "torch"
    if wanted == "auto":
        if device not in ("auto", "cpu") or (device == "auto" and choose_device(device) != "cpu"):
            return "torch"
        return "openvino" if _has("openvino") else "onnxruntime" if _has("onnxruntime") else "torch"
    require_installed(NEEDED[wanted], "infer")
    if device not in ("auto", "cpu"):
        raise SettingsError(
            f'[predict] backend = "{wanted}" runs on the CPU; on device = "{device}" use backend = "torch"'
        )
    return wanted


def choose_device(name: str) -> str:
    """`auto` as the device to take; any other name is checked. Loads torch.

    Raises:
        SettingsError: a device that torch does not know or that is not here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f'[predict] device = "{name}" cannot be used: {reason}; try "cpu"') from None
    return name


def _has(backend: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in NEEDED[backend])
