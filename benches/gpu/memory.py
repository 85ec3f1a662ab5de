"""Step 4: a GPU that is nearly full. A batch of 64 does not fit; the program must halve it, go on, and answer the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from answers import MOST, Way, difference, paired, prepared
from children import HERE, Bench, Failed, say
from pipelines import shards

# What is left free, beside the model's own bytes, in GiB: the first at which one batch fits and the full one does not.
LEAVES = (2.4, 1.9, 1.5, 1.2, 1.0, 0.85, 0.7)
FITS, FULL = 4, 64


@contextmanager
def held(gpu: int, leave: int) -> Iterator[int]:
    """All of the GPU's memory but so much is taken meanwhile, by a process of its own; gives what is free then."""
    command = [sys.executable, str(HERE / "hold.py"), str(gpu), str(leave)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    try:
        line = child.stdout.readline().split()
        if len(line) != 2:
            raise Failed(f"the GPU's memory cannot be held: {child.stderr.read()[-300:]}")
        yield int(line[1])
    finally:
        child.stdin.close()
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def full(bench: Bench, found: dict[str, Any], failures: list[str]) -> None:
    """Step 4."""
    if not bench.on_gpu:
        found["skipped"] = "there is no GPU on --device cpu, whose memory could be held"
        say(f"  skipped: {found['skipped']}")
        return
    pictures = bench.results["shards"]["memory"]
    words = shards(bench, pictures)
    if pictures < 2 * FULL:
        failures.append(f"{pictures} pictures do not fill batches of {FULL}; take a greater --seconds")
    free = prepared(bench, "aesthetic", words, Way(bench.device))
    model = sum(file.stat().st_size for file in (bench.models / "aesthetic").glob("*.onnx"))
    for more in LEAVES:
        with held(bench.gpu, model + int(more * 2**30)) as left:
            tried = bare_batches(bench, found)
            say(f"  {left / 2**30:.2f} GiB left free: {tried}")
            if tried == "the full batch fits":
                continue
            if tried != "only the small batch fits":
                raise Failed(f"no amount was found at which {FITS} pictures fit and {FULL} do not; at last {tried}")
            found["free_gib"] = left / 2**30
            answered(bench, words, free, found, failures)
            return
    raise Failed(f"{FULL} pictures fit however little was left")


def bare_batches(bench: Bench, found: dict[str, Any]) -> str:
    """What a bare session does with a small batch and a full one: so it is known that the full one runs out."""
    model = bench.models / "clip/vision_model.onnx"
    words = [model, "--device", bench.device, "--batches", f"{FITS},{FULL}", "--seconds", "0"]
    try:
        result = bench.python("bare.py", words, 40).json()
    except Failed as failed:
        return f"not even the model fits ({str(failed)[-160:]})"
    batches = [row["batch"] for row in result["batches"]]
    if batches == [FITS, FULL]:
        return "the full batch fits"
    why = result.get("failed") or str(result["left_out"])
    if batches == [FITS] and ("memory" in why.lower() or "alloc" in why.lower()):
        found["full_batch_says"] = why[:300]
        return "only the small batch fits"
    return f"{batches} were run, and then: {why[-200:]}"


def answered(bench: Bench, words: list[str], free: dict[str, float], found: dict[str, Any], failures: list[str]) -> None:
    """The program in what is left. Anything that it refused would be an error of `prepared`."""
    scores = prepared(bench, "aesthetic", words, Way(bench.device))
    found["difference"] = difference(paired(free, scores))
    found["pictures"] = len(scores)
    largest = found["difference"]["largest"]
    words_of_memory = [line.strip() for line in bench.said if "memory" in line or "batch" in line]
    found["program_said"] = words_of_memory
    say(f"  the program said: {' / '.join(words_of_memory) or 'nothing of memory or of batches'}")
    say(f"  the program answered all {len(scores)} pictures there, and refused none")
    say(f"  its answers differ by {largest:.2e} at most from those with all of the memory")
    if not largest <= MOST["aesthetic"]:
        failures.append(f"answers differ by {largest:.3g} where memory is short, and {MOST['aesthetic']} is the most")
