"""The device and the kind of numbers that a model in this process computes with."""

from __future__ import annotations

import torch

from alref_agent.errors import ConfigError


def choose_device(setting: str) -> torch.device:
    """The device that a setting means: `auto`, `cpu`, `cuda`, `cuda:N`, `mps`.

    Raises:
        ConfigError: It is not there.
    """
    if setting == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    # Not what torch makes of the number: to it, cuda:256 is cuda:0.
    kind, _, number = setting.partition(":")
    index = int(number or 0)
    there = True
    if kind == "cuda":
        there = torch.cuda.is_available() and index < torch.cuda.device_count()
    elif kind == "mps":
        there = torch.backends.mps.is_available()
    if not there:
        raise ConfigError(
            f"device={setting}: torch {torch.__version__} finds no such device: --set device=auto."
        )
    return torch.device("cuda", index) if kind == "cuda" else torch.device(kind)


def choose_dtype(setting: str, device: torch.device) -> torch.dtype:
    """The numbers that a setting means: `auto`, `float32`, `bfloat16`, `float16`.

    `auto` is bfloat16 on a GPU that has it, else float32: on a CPU bfloat16 is no faster.

    Raises:
        ConfigError: The device does not compute with them.
    """
    if setting == "auto":
        if device.type == "cuda" and torch.cuda.is_bf16_supported():
            return torch.bfloat16
        return torch.float32
    if setting == "float16" and device.type == "cpu":
        raise ConfigError("dtype=float16 works on a GPU only: --set dtype=auto.")
    if setting == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ConfigError(f"dtype=bfloat16: {device} does not have it: --set dtype=auto.")
    dtype: torch.dtype = getattr(torch, setting)
    return dtype


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is full, the device's or the computer's."""
    said = str(error)
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in said
        or "can't allocate memory" in said
    )
