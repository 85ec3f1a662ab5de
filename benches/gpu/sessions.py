"""Steps 1 and 2: what is here, and the bare sessions of every model."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import onnxruntime
from children import Bench, Failed, cores, say

# Name, file, batch sizes on a GPU; the heaviest last, which has all of the time that the others left. The program asks SAM 2
# for one picture at a time.
MODELS = (
    ("resnet18", "resnet18/model.onnx", (1, 8, 64)),
    ("sam2-decoder", "sam2/decoder.onnx", (1,)),
    ("sam2-encoder", "sam2/encoder.onnx", (1,)),
    ("clip", "clip/vision_model.onnx", (1, 8, 64)),
    ("yolo-world", "yolo-world/model.onnx", (1, 8, 64)),
)


def machine(bench: Bench, found: dict[str, Any], failures: list[str]) -> None:
    """Step 1."""
    found["cores"] = cores()
    found["processor"] = processor()
    found["memory_gib"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found["onnxruntime"] = onnxruntime.__version__
    found["onnxruntime_at"] = str(Path(onnxruntime.__file__).parent)
    found["providers"] = onnxruntime.get_available_providers()
    found["program"] = bench.run([bench.program, "--version"], 20).stdout.strip()
    found["models"] = bench.made
    say(f"  {found['cores']} cores ({found['processor']}), {found['memory_gib']:.0f} GiB")
    say(f"  ONNX Runtime {found['onnxruntime']} with {', '.join(found['providers'])}")
    say(f"  {found['program']}; models: {'; '.join(f'{name}: {what}' for name, what in bench.made.items())}")
    if not bench.on_gpu:
        say("  no GPU is asked for")
    else:
        try:
            found["gpus"] = gpus()
        except Failed as failed:
            failures.append(str(failed))
        for line in found.get("gpus", []):
            say(f"  GPU {line}")
        missing = missing_libraries()
        found["missing_libraries"] = missing
        if missing:
            failures.append(f"libraries that ONNX Runtime's CUDA provider needs are missing: {'; '.join(missing)}")
    # The smallest model, opened as the others are: else all that follows would measure the CPU under the GPU's name.
    model = bench.models / "resnet18/model.onnx"
    tried = bench.python("bare.py", [model, "--device", bench.device, "--batches", "1", "--seconds", "0"], 60).json()
    if "failed" in tried:
        raise Failed(f"a session on {bench.device} runs nothing: {tried['failed']}")
    bench.device_works = True
    say(f"  a session opens on {bench.device} in {tried['opened_s']:.1f} s and runs there")


def processor() -> str:
    """Its name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def gpus() -> list[str]:
    """A line for each GPU, by nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        raise Failed("nvidia-smi is not on the PATH: there is no NVIDIA GPU here, or no driver")
    query = "--query-gpu=index,name,driver_version,memory.total,compute_cap"
    asked = subprocess.run([program, query, "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
    if asked.returncode != 0:
        raise Failed(f"nvidia-smi ended with {asked.returncode}: {(asked.stdout + asked.stderr).strip()[:300]}")
    return [line.strip() for line in asked.stdout.splitlines() if line.strip()]


def missing_libraries() -> list[str]:
    """What keeps ONNX Runtime's CUDA provider from loading, and the one library that it loads later by itself."""
    provider = Path(onnxruntime.__file__).parent / "capi/libonnxruntime_providers_cuda.so"
    missing = []
    if provider.exists():
        try:
            # Not bound to the end: the shared part that it belongs to is ONNX Runtime's to load.
            ctypes.CDLL(str(provider), mode=os.RTLD_LAZY)
        except OSError as error:
            if "undefined symbol" not in str(error):
                missing.append(str(error))
    else:
        missing.append(f"{provider} is not there: this is no onnxruntime-gpu")
    try:
        ctypes.CDLL("libcudnn.so.9")
    except OSError as error:
        missing.append(str(error))
    return missing


def bare(bench: Bench, found: dict[str, Any], failures: list[str]) -> None:
    """Step 2."""
    say(f"  {'model':14} {'batch':>5} {'plain':>10} {'bound':>10}  images/s; the first run of a size")
    for number, (name, file, batches) in enumerate(MODELS):
        share = bench.left() / (len(MODELS) - number)
        # Opening and the first runs take their part.
        seconds = max(0.2, min(1.5 * bench.scale, share / (4 * len(batches))))
        words = [bench.models / file, "--device", bench.device, "--batches", ",".join(map(str, batches))]
        words += ["--seconds", f"{seconds:.2f}", "--at-most", f"{0.8 * share:.1f}"]
        try:
            result = bench.python("bare.py", words, share + 20).json()
        except Failed as failed:
            failures.append(f"{name}: {failed}")
            continue
        found[name] = result
        for row in result["batches"]:
            rates = [row[way]["images_per_second"] for way in ("plain", "bound")]
            say(f"  {name:14} {row['batch']:5} {rates[0]:10.1f} {rates[1]:10.1f}  {row['first_run_s']:.2f} s")
        for row in result["left_out"]:
            say(f"  {name:14} {row['batch']:5} left out: {row['why']}")
            if bench.on_gpu:
                failures.append(f"{name}: batch {row['batch']} was left out: {row['why']}")
        if "failed" in result:
            failures.append(f"{name}: {result['failed']}")
        if not result["batches"]:
            failures.append(f"{name}: nothing was measured")


def rate(bench: Bench, name: str, batch: int) -> float:
    """Bare images/s of a model in the larger of both ways, at this batch size or the next smaller one that was measured."""
    rows = bench.results.get("2 bare sessions", {}).get(name, {}).get("batches", [])
    fitting = [row for row in rows if row["batch"] <= batch]
    if not fitting:
        raise Failed(f"step 2 has no rate of {name}")
    return max(fitting[-1][way]["images_per_second"] for way in ("plain", "bound"))
