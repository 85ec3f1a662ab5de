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

# Between these amounts, in GiB beside the model's own bytes, one is looked for at which a small batch fits and the full one does
# not: by halves, so often at most.
LEAST, MOST_LEFT, TRIES = 0.3, 6.0, 6
FITS, FULL = 4, 64
ALL_FIT, ONLY_SMALL = "the full batch fits", "only the small batch fits"


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
    pictures = bench.results["pictures"]["memory"]
    words = shards(bench, pictures)
    free = prepared(bench, "aesthetic", words, Way(bench.device))
    model = sum(file.stat().st_size for file in (bench.models / "aesthetic").glob("*.onnx"))
    low, high = LEAST, MOST_LEFT
    for _ in range(TRIES):
        middle = (low + high) / 2
        with held(bench.gpu, model + int(middle * 2**30)) as left:
            tried = bare_batches(bench, found)
            say(f"  {left / 2**30:.2f} GiB left free: {tried}")
            if tried == ONLY_SMALL:
                found["free_gib"] = left / 2**30
                answered(bench, words, free, found, failures)
                return
        low, high = (low, middle) if tried == ALL_FIT else (middle, high)
    raise Failed(f"no amount was found at which {FITS} pictures fit and {FULL} do not; at last: {tried}")


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
        return ALL_FIT
    why = result.get("failed") or str(result["left_out"])
    if batches == [FITS] and ("memory" in why.lower() or "alloc" in why.lower()):
        found["full_batch_says"] = why[:300]
        return ONLY_SMALL
    return f"{batches} were run, and then: {why[-200:]}"


def answered(
    bench: Bench, words: list[str], free: dict[str, float], found: dict[str, Any], failures: list[str]
) -> None:
    """The program in what is left. Anything that it refused would be an error of `prepared`."""
    scores = prepared(bench, "aesthetic", words, Way(bench.device))
    found["difference"] = difference(paired(free, scores))
    found["pictures"] = len(scores)
    largest = found["difference"]["largest"]
    words_of_memory = [line.strip() for line in bench.said if "memory" in line or "batch" in line]
    found["program_said"] = words_of_memory
    say(f"  the program said: {' / '.join(words_of_memory) or 'nothing of memory or of batches'}")
    if not any("memory does not hold" in line for line in words_of_memory):
        failures.append(f"a bare session had no memory for a batch of {FULL}, and the program did not say that it halved one")
    say(f"  the program answered all {len(scores)} pictures there, and refused none")
    say(f"  its answers differ by {largest:.2e} at most from those with all of the memory")
    if not largest <= MOST["aesthetic"]:
        failures.append(f"answers differ by {largest:.3g} where memory is short, and {MOST['aesthetic']} is the most")
