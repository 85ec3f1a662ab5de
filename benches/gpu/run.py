"""Runs the bench out of a packed folder: `run.py FOLDER --device cuda:0`. Called by gpu.sh, which says what it does."""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import answers
import memory
import onnxruntime
import pictures
import pipelines
import sessions
import skeleton
from children import Bench, Failed, cores, say

SEED = 7
USUAL_SECONDS = 480.0
# Name, what does it, and the seconds that it may have of the usual time. What comes before has the rest.
STEPS: tuple[tuple[str, Callable[[Bench, dict[str, Any], list[str]], None], float], ...] = (
    ("1 what is here", sessions.machine, 25),
    ("2 bare sessions", sessions.bare, 90),
    ("3 pipelines", pipelines.throughput, 140),
    ("4 memory that runs out", memory.full, 70),
    ("5 answers", answers.answers, 100),
)
# Pictures by use, on a GPU in the usual time, and on a CPU.
ON_GPU = {"resnet18": 6000, "clip": 1500, "recap": 300, "memory": 200, "answers_scored": 64, "answers_recap": 16}
ON_CPU = {"resnet18": 24, "clip": 8, "recap": 4, "memory": 0, "answers_scored": 8, "answers_recap": 4}
# Of a shard: where throughput is measured, and where answers are compared.
A_SHARD = {True: {"shards": 100, "answers": 16}, False: {"shards": 4, "answers": 4}}
# Photographs that a core draws and writes in a second, about, and the seconds of the usual time that go to it.
DRAWN, DRAWING = 20, 25
# Folders that share files: a scorer is a CLIP with a head.
SHARED = {"aesthetic": ("clip/vision_model.onnx", "clip/preprocessor_config.json", "head/head.onnx")}


def main() -> None:
    begin = time.monotonic()
    args = arguments()
    # What was installed before counts, too.
    begin -= max(0.0, time.time() - args.began) if args.began else 0.0
    args.out.mkdir(parents=True, exist_ok=True)
    results = args.out / "results.json"
    work = args.out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    scale = args.seconds / USUAL_SECONDS
    bench = Bench(work, work / "threshflow", work / "models", {}, args.device, scale, begin + args.seconds)
    bench.step_until = bench.until
    bench.results.update({"device": args.device, "seconds_asked": args.seconds, "installed": args.installed})
    failed: dict[str, list[str]] = {}
    try:
        set_library()
        failed |= step(bench, "0 unpack", lambda found, _: unpack(bench, args.folder, found), results)
        if not failed:
            failed |= all_steps(bench, results)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    took = time.monotonic() - begin
    bench.results |= {"failures": failed, "seconds_in_all": took}
    results.write_text(json.dumps(bench.results, indent=1) + "\n")
    say(f"\n{took:.0f} s in all, installing included; all numbers: {results}")
    if failed:
        say("FAILED: " + "; ".join(f"step {name} ({len(why)})" for name, why in failed.items()))
        sys.exit(1)
    say("every step that was run has passed" + (": this was a dry run, on a CPU" if not bench.on_gpu else ""))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda:0", help="cuda:N or cpu")
    parser.add_argument("--seconds", type=float, default=USUAL_SECONDS)
    parser.add_argument("--out", type=Path, default=Path("gpu-bench"))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--installed", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    kind, _, number = args.device.partition(":")
    if args.device != "cpu" and (kind != "cuda" or not (number or "0").isdigit()):
        parser.error(f"--device {args.device}: cuda:N or cpu")
    if args.seconds < 60:
        parser.error("--seconds: 60 at least")
    return args


def set_library() -> None:
    """The program takes the library of the very package that the bare sessions run."""
    folder = Path(onnxruntime.__file__).parent / "capi"
    libraries = sorted(folder.glob("libonnxruntime.so*"), key=lambda path: len(path.name))
    if not libraries:
        raise SystemExit(f"{folder} has no libonnxruntime.so for the program")
    os.environ["ORT_DYLIB_PATH"] = str(libraries[-1])


def step(
    bench: Bench, name: str, does: Callable[[dict[str, Any], list[str]], None], results: Path
) -> dict[str, list[str]]:
    """One step, whatever happens in it; gives why it failed, by its name, and writes down what there is by then."""
    say(f"\n{name}  ({max(0.0, bench.left()):.0f} s for it)")
    begin, failures = time.monotonic(), []
    found: dict[str, Any] = {}
    bench.results[name] = found
    try:
        does(found, failures)
    except Failed as failure:
        failures.append(str(failure))
    except Exception as error:  # one step's fault is not the others'
        failures.append(f"{type(error).__name__}: {error}")
        found["traceback"] = traceback.format_exc()
    found["took_s"] = time.monotonic() - begin
    found["failures"] = failures
    for failure in failures:
        say(f"  FAILED: {failure}")
    say(f"  {found['took_s']:.1f} s")
    results.write_text(json.dumps(bench.results, indent=1) + "\n")
    return {name: failures} if failures else {}


def all_steps(bench: Bench, results: Path) -> dict[str, list[str]]:
    """Steps 1 to 5. Without the device that was asked for, the rest would only measure another."""
    failed: dict[str, list[str]] = {}
    for name, does, seconds in STEPS:
        bench.step_until = time.monotonic() + seconds * bench.scale
        why = []
        if does is not sessions.machine and not bench.device_works:
            why.append(f"not run: {bench.device} cannot be used, see step 1")
        elif bench.left() < 5:
            why.append("not run: no time is left")
        if why:
            bench.results[name] = {"failures": why}
            say(f"\n{name}\n  FAILED: {why[0]}")
            failed[name] = why
            continue
        failed |= step(bench, name, lambda found, failures, does=does: does(bench, found, failures), results)
    return failed


# -- step 0


def unpack(bench: Bench, folder: Path, found: dict[str, Any]) -> None:
    """The program, the models with their weights drawn, and the shards."""
    bench.program.write_bytes(lzma.decompress((folder / "program/threshflow.xz").read_bytes()))
    bench.program.chmod(0o755)
    begin = time.monotonic()
    # A graph of over a gigabyte is three times in memory while it is filled.
    names = sorted(path.name for path in (folder / "models").iterdir())
    with ProcessPoolExecutor(4 if cores() >= 8 else 1) as pool:
        jobs = {
            name: pool.submit(skeleton.fill_folder, folder / "models" / name, bench.models / name, SEED)
            for name in names
        }
        found["drawn"] = {name: job.result() for name, job in jobs.items()}
    for name, files in SHARED.items():
        (bench.models / name).mkdir(exist_ok=True)
        for file in files:
            os.link(bench.models / file, bench.models / name / Path(file).name)
    bench.made.update({name: json.loads((bench.models / name / "made.json").read_text())["what"] for name in names})
    found["filled_s"] = time.monotonic() - begin
    say(
        f"  {sum(sum(files.values()) for files in found['drawn'].values()):,} weights drawn in {found['filled_s']:.1f} s"
    )
    begin = time.monotonic()
    counts = counted(bench)
    bench.results["pictures"] = counts
    size = pictures.make(bench.work / "shards", counts["resnet18"], counts["sizes"], counts["a_shard"]["shards"])
    pictures.make(bench.work / "answers", counts["answers_scored"], counts["sizes"], counts["a_shard"]["answers"])
    found |= {"pictures_s": time.monotonic() - begin, "pictures_bytes": size}
    say(f"  {counts['resnet18']} pictures of {size / counts['resnet18'] / 1e6:.2f} MB in {found['pictures_s']:.1f} s")


def counted(bench: Bench) -> dict[str, Any]:
    """How many pictures each use takes: with a GPU as many as the time and the cores allow."""
    usual = ON_GPU if bench.on_gpu else ON_CPU
    counts: dict[str, Any] = dict(usual)
    if bench.on_gpu:
        most = int(DRAWN * DRAWING * cores() * bench.scale)
        counts = {use: max(100, min(most, int(count * bench.scale))) for use, count in usual.items()}
        # Batches of 64 that are full, and answers enough to compare: whatever the time. The CPU is slow at regions.
        regions = 16 * max(1, min(4, int(cores() * bench.scale / 16)))
        counts |= {"memory": usual["memory"], "answers_scored": usual["answers_scored"], "answers_recap": regions}
        counts["resnet18"] = max(counts["resnet18"], counts["memory"])
    return {**counts, "sizes": "photo" if bench.on_gpu else "small", "a_shard": A_SHARD[bench.on_gpu]}


if __name__ == "__main__":
    main()
