"""Which files make a model in transformers' format, and whether they are whole.

Of several formats of the same weights one is taken: safetensors, which is data and nothing else,
before pickles.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

CONFIG = "config.json"
_FORMATS = (("model.safetensors", "model-"), ("pytorch_model.bin", "pytorch_model-"))
"""The name of weights in one file, and how the names of shards begin."""
_SETTINGS = (".json", ".jinja")
_TOKENS = ("merges.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.txt")
_DETECTORS = ("grounding-dino", "mm-grounding-dino", "owlv2")
"""Backends whose models read texts, and say themselves how pictures are prepared."""
_TEXTS = ("tokenizer.json", "vocab.txt", "vocab.json")
_PICTURES = ("preprocessor_config.json", "processor_config.json")
_READ = (*_PICTURES, "tokenizer.json", "tokenizer_config.json", "vocab.json")
"""What is parsed before a detector runs."""
_HEADER_LIMIT = 100_000_000
"""Bytes; as the safetensors library has it."""
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""How files of weights that torch wrote begin."""
_NO_WEIGHTS = "is no file of weights"


def needed(names: Collection[str]) -> list[str]:
    """Of a repository's files those that a model needs; none where there are no weights."""
    weights = _weights(names)
    if not weights:
        return []
    rest = [
        name
        for name in names
        if "/" not in name
        and (name in _TOKENS or name.startswith("LICENSE") or name.endswith(_SETTINGS))
        and not name.endswith(".index.json")
    ]
    return sorted({*weights, *rest})


def is_weights(name: str) -> bool:
    """Whether a file holds weights."""
    return name.endswith((".safetensors", ".bin", ".pt", ".pth"))


def problem(folder: Path, backend: str | None) -> str | None:
    """What keeps a folder from being a whole model; None: nothing that can be seen without loading.

    Args:
        folder: As the hub's client or a person made it.
        backend: Whose model it is.
    """
    names = {file.name for file in folder.iterdir() if file.is_file()}
    weights = _weights(names)
    if not weights:
        return "it has no weights (model.safetensors)"
    for name in weights:
        if name.endswith(".index.json"):
            if said := _shard_missing(folder / name, names):
                return said
        elif said := weights_problem(folder / name):
            return f"{name} {said}"
    return _detector_problem(folder, names) if backend in _DETECTORS else None


def _detector_problem(folder: Path, names: set[str]) -> str | None:
    if not names & set(_TEXTS):
        return "it has no tokenizer (tokenizer.json or vocab.txt)"
    if not names & set(_PICTURES):
        return f"{_PICTURES[0]} is missing"
    broken = [name for name in _READ if name in names and read_json(folder / name) is None]
    return f"{broken[0]} is broken" if broken else None


def read_json(file: Path) -> dict[str, Any] | None:
    """What a JSON file holds; None where it is none, or holds no object."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def weights_problem(file: Path) -> str | None:
    """What is wrong with a file of weights, as `is cut short`; nothing is loaded."""
    if file.suffix == ".safetensors":
        return tensors_problem(file)
    try:
        with file.open("rb") as stream:
            start = stream.read(4)
        if start == _ZIP:
            # Its list of contents is at its end.
            with zipfile.ZipFile(file) as archive:
                return None if archive.namelist() else _NO_WEIGHTS
        # What earlier versions of torch wrote does not say how long it is.
        return None if start[:1] == _PICKLE else _NO_WEIGHTS
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "is cut short or damaged"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def tensors_problem(file: Path) -> str | None:
    """What is wrong with a safetensors file, as `is cut short`; its numbers are not read."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            if len(start) < 8:
                return "is cut short"
            (length,) = struct.unpack("<Q", start)
            if length > _HEADER_LIMIT:
                return "is no safetensors file"
            if length > size - 8:
                return "is cut short"
            header = json.loads(stream.read(length))
        ends = [0]
        for name, tensor in header.items():
            if name != "__metadata__":
                begin, end = tensor["data_offsets"]
                if not 0 <= begin <= end:
                    return "is no safetensors file"
                ends.append(end)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return "is no safetensors file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    whole = 8 + length + max(ends)
    if size < whole:
        return f"is cut short: {size:,} of {whole:,} bytes are there"
    return f"has {size - whole:,} bytes too many" if size > whole else None


def _weights(names: Collection[str]) -> list[str]:
    for single, shards in _FORMATS:
        if single in names:
            return [single]
        index, suffix = f"{single}.index.json", Path(single).suffix
        found = [name for name in names if name.startswith(shards) and name.endswith(suffix)]
        if index in names:
            return sorted([index, *found])
    return []


def _shard_missing(index: Path, names: Collection[str]) -> str | None:
    content = read_json(index)
    shards = content.get("weight_map") if content else None
    if not isinstance(shards, dict) or not shards:
        return f"{index.name} is broken"
    for shard in sorted({str(name) for name in shards.values()}):
        if shard not in names:
            return f"{shard} is missing"
    return None
