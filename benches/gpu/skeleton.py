"""Graphs without their weights, and the weights put back: `strip` where graphs are made, `fill` where they run.

A tensor that was drawn at random is left out. In its place stands how it was spread, in its `doc_string`. What replaces it
is drawn anew from a seed and the tensor's name, so that every machine makes the same file. Small tensors, whole numbers,
and tensors in which numbers repeat (grids, masks, constants of an architecture) stay as they are.
"""

from __future__ import annotations

import json
import lzma
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

# Fewer numbers than this are no burden.
LEAST = 8192
MARK = "drawn: "
SUFFIX = ".xz"


def strip(proto: onnx.ModelProto) -> tuple[int, int]:
    """Takes the drawn tensors out of a model; gives how many numbers were left out, and how many stay."""
    out, stay = 0, 0
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if not looks_drawn(values):
            stay += values.size
            continue
        spread = {"mean": float(values.mean(dtype=np.float64)), "std": float(values.std(dtype=np.float64))}
        for field in ("raw_data", "float_data"):
            tensor.ClearField(field)
        tensor.doc_string = MARK + json.dumps(spread)
        out += values.size
    return out, stay


def looks_drawn(values: np.ndarray) -> bool:
    """Many floats, all finite, and few of them the same."""
    if values.dtype != np.float32 or values.size < LEAST or not np.isfinite(values).all():
        return False
    some = values.ravel()[: 1 << 20]
    return len(np.unique(some)) > 0.9 * some.size


def pack(proto: onnx.ModelProto, path: Path) -> int:
    """Writes a stripped model, compressed, beside `path`; gives the bytes."""
    data = lzma.compress(proto.SerializeToString(), preset=6)
    path.with_name(path.name + SUFFIX).write_bytes(data)
    return len(data)


def fill(packed: Path, path: Path, seed: int) -> int:
    """Writes the whole model that `packed` stands for; gives how many numbers were drawn."""
    proto = onnx.ModelProto.FromString(lzma.decompress(packed.read_bytes()))
    drawn = 0
    for tensor in proto.graph.initializer:
        if not tensor.doc_string.startswith(MARK):
            continue
        spread = json.loads(tensor.doc_string[len(MARK) :])
        random = np.random.default_rng([seed, zlib.crc32(tensor.name.encode())])
        values = random.standard_normal(size=int(np.prod(tensor.dims)), dtype=np.float32)
        values *= np.float32(spread["std"])
        values += np.float32(spread["mean"])
        tensor.raw_data = values.tobytes()
        tensor.doc_string = ""
        drawn += values.size
    path.write_bytes(proto.SerializeToString())
    return drawn


def fill_folder(packed: Path, folder: Path, seed: int) -> dict[str, int]:
    """Fills every graph of a model's folder and copies the other files; gives what was drawn, by file."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for file in sorted(packed.iterdir()):
        if file.name.endswith(SUFFIX):
            name = file.name[: -len(SUFFIX)]
            drawn[name] = fill(file, folder / name, seed)
        else:
            (folder / file.name).write_bytes(file.read_bytes())
    return drawn
