"""One model by ONNX Runtime's own Python, nothing else: `bare.py MODEL.onnx --device cuda:0 --batches 1,8,64`. JSON on stdout.

Each batch size runs plainly (numpy arrays in and out), and bound: inputs are copied from page-locked memory to the device,
outputs come back into page-locked memory. Sessions have the settings of the program's own. Every output of a first run is
looked at: one that is not finite, or that binding changes, is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

# Lengths of the axes that a graph leaves open, besides that of the batch: by their names.
OPEN_AXES = {"texts": 16, "boxes": 8}
# Of bound outputs from plain ones, relative to the largest number.
SAME = 1e-3


class NotOnDevice(Exception):
    """The session runs elsewhere than it should."""


def session_of(model: Path, device: str) -> onnxruntime.InferenceSession:
    """A session on the device, and nowhere else."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    kind, _, number = device.partition(":")
    if kind == "cpu":
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    options.intra_op_num_threads = 1
    wanted = [("CUDAExecutionProvider", {"device_id": int(number or 0), "use_tf32": 0})]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise NotOnDevice(f"this ONNX Runtime ({onnxruntime.__version__}) has no CUDA provider in it")
    # Else a run that the GPU's libraries fail would go on, on the CPU, without an error.
    session = onnxruntime.InferenceSession(str(model), options, providers=wanted)
    session.disable_fallback()
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise NotOnDevice(f"ONNX Runtime fell back to {session.get_providers()}: its CUDA provider does not start here")
    return session


def feeds_of(session: onnxruntime.InferenceSession, batch: int, seed: int) -> dict[str, np.ndarray]:
    """Numbers for every input: as pictures look to a model that normalises them."""
    random = np.random.default_rng(seed)
    feeds = {}
    for port in session.get_inputs():
        shape = [length_of(axis, place, batch) for place, axis in enumerate(port.shape)]
        feeds[port.name] = made(port.name, shape, random)
    return feeds


def length_of(axis: int | str | None, place: int, batch: int) -> int:
    if isinstance(axis, int):
        return axis
    return batch if place == 0 else OPEN_AXES.get(str(axis), 16)


def made(name: str, shape: list[int], random: np.random.Generator) -> np.ndarray:
    """By the names of the inputs: pixels from 0 to 1, boxes, unit vectors, else normal numbers."""
    if name == "images":
        return random.random(shape, dtype=np.float32)
    if name == "input_boxes":
        corners = np.sort(random.random((*shape[:-1], 2, 2), dtype=np.float32), axis=-2) * 1024
        return np.ascontiguousarray(corners.reshape(shape))
    numbers = random.standard_normal(shape, dtype=np.float32)
    if name in ("text_embeds", "image_embeds"):
        numbers /= np.linalg.norm(numbers, axis=-1, keepdims=True)
    return numbers


def bound_run(
    session: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray], wanted: list[np.ndarray], device: str
) -> tuple[Callable[[], None], list[np.ndarray]]:
    """What does one bound run, and the arrays that it writes into."""
    kind, _, number = device.partition(":")
    binding = session.io_binding()
    names = [port.name for port in session.get_outputs()]
    if kind == "cpu":
        inputs, place = feeds, "cpu"
        outputs = [np.empty_like(array) for array in wanted]
    else:
        from cuda import Cuda

        cuda, place = Cuda(int(number or 0)), "cuda"
        inputs = {name: cuda.page_locked(array.shape, array.dtype) for name, array in feeds.items()}
        for name, array in feeds.items():
            inputs[name][...] = array
        outputs = [cuda.page_locked(array.shape, array.dtype) for array in wanted]
    values = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(array, place, int(number or 0)) for name, array in inputs.items()
    }
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    for name, array in zip(names, outputs, strict=True):
        binding.bind_output(name, "cpu", 0, array.dtype.type, list(array.shape), array.ctypes.data)

    def run() -> None:
        for name, array in inputs.items():
            values[name].update_inplace(array)
        binding.synchronize_inputs()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run, outputs


def timed(run: Callable[[], Any], seconds: float, batch: int) -> dict[str, float]:
    """Runs again and again for so long, and at least once."""
    begin, runs = time.monotonic(), 0
    while runs == 0 or time.monotonic() - begin < seconds:
        run()
        runs += 1
    took = time.monotonic() - begin
    return {"runs": runs, "images_per_second": runs * batch / took, "ms_a_run": 1e3 * took / runs}


def measure(session: onnxruntime.InferenceSession, batch: int, device: str, seconds: float) -> dict[str, Any]:
    """Plain and bound, of one batch size."""
    feeds = feeds_of(session, batch, batch)
    begin = time.monotonic()
    wanted = session.run(None, feeds)
    first = time.monotonic() - begin
    for port, array in zip(session.get_outputs(), wanted, strict=True):
        if not np.isfinite(array).all():
            raise ValueError(f"output {port.name} has numbers that are not finite")
    run, outputs = bound_run(session, feeds, wanted, device)
    run()
    apart = max(relative(one, other) for one, other in zip(wanted, outputs, strict=True))
    if not apart <= SAME:
        raise ValueError(f"bound outputs differ from plain ones by {apart:.2g} of the largest number")
    plain = timed(lambda: session.run(None, feeds), seconds, batch)
    return {"batch": batch, "first_run_s": first, "plain": plain, "bound": timed(run, seconds, batch), "apart": apart}


def relative(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / max(1e-6, np.abs(one).max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", default="1,8,64")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--at-most", type=float, default=30.0, help="seconds of all; what will not fit is left out")
    args = parser.parse_args()
    begin = time.monotonic()
    session = session_of(args.model, args.device)
    result: dict[str, Any] = {"opened_s": time.monotonic() - begin, "batches": [], "left_out": []}
    a_picture = 0.0
    for batch in map(int, args.batches.split(",")):
        # Four runs at least: the first, a bound one, and one of each measurement. The first size is always tried.
        needs = 4 * a_picture * batch
        if needs and time.monotonic() - begin + needs > args.at_most:
            result["left_out"].append({"batch": batch, "why": f"it would take {needs:.0f} s, too long here"})
            continue
        try:
            found = measure(session, batch, args.device, args.seconds)
        except Exception as error:  # what a runtime raises has many types
            result["failed"] = f"batch {batch}: {type(error).__name__}: {error}"
            break
        result["batches"].append(found)
        a_picture = found["plain"]["ms_a_run"] / 1e3 / batch
    print(json.dumps(result))


if __name__ == "__main__":
    main()
