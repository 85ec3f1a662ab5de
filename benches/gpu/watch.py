"""Samples a GPU by nvidia-smi while something runs, and says how busy it was and where it starved."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from typing import Any

EVERY_MS = 150
FIELDS = ("utilization.gpu", "memory.used", "power.draw")
# A sample below this share of busy time, in per cent, counts as starved.
STARVED = 10.0


class Watch:
    """`with Watch(0) as watch: ...`, then `watch.summary(begin, end)` in seconds of time.monotonic()."""

    def __init__(self, gpu: int) -> None:
        self.gpu = gpu
        self.samples: list[tuple[float, list[float]]] = []
        self.said: list[str] = []

    def __enter__(self) -> Watch:
        query = ["--query-gpu=" + ",".join(FIELDS), "--format=csv,noheader,nounits"]
        command = ["nvidia-smi", f"--id={self.gpu}", *query, f"--loop-ms={EVERY_MS}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        return self

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            numbers = line_of(line)
            if numbers is None:
                self.said.append(line.strip())
            else:
                self.samples.append((time.monotonic(), numbers))

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)
        self.thread.join(timeout=10)

    def summary(self, begin: float, end: float) -> dict[str, Any]:
        """Of the samples in between."""
        return summary([(at - begin, numbers) for at, numbers in self.samples if begin <= at <= end], self.said)


def line_of(line: str) -> list[float] | None:
    """The numbers of a line; power may be unknown. None for a line that is none of ours."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != len(FIELDS):
        return None
    try:
        busy, memory = float(parts[0]), float(parts[1])
    except ValueError:
        return None
    power = parts[2] if parts[2].replace(".", "", 1).isdigit() else "nan"
    return [busy, memory, float(power)]


def summary(samples: list[tuple[float, list[float]]], said: list[str]) -> dict[str, Any]:
    """Busy share, starved share and the longest gap: of all samples, and from the first busy one to the last."""
    if len(samples) < 3:
        raise ValueError(f"nvidia-smi gave {len(samples)} samples, too few to say anything: {said[:3]}")
    busy_at = [number for number, (_, numbers) in enumerate(samples) if numbers[0] >= STARVED]
    found: dict[str, Any] = {
        "samples": len(samples),
        "busy_percent": mean([numbers[0] for _, numbers in samples]),
        "memory_mib_most": max(numbers[1] for _, numbers in samples),
        "power_w_mean": mean([numbers[2] for _, numbers in samples if not math.isnan(numbers[2])]),
        "whole": starved(samples),
    }
    if busy_at:
        middle = samples[busy_at[0] : busy_at[-1] + 1]
        found["from_first_to_last_work"] = {
            "seconds": middle[-1][0] - middle[0][0],
            "busy_percent": mean([numbers[0] for _, numbers in middle]),
            **starved(middle),
        }
    return found


def starved(samples: list[tuple[float, list[float]]]) -> dict[str, float]:
    """The share of samples in which the GPU had next to nothing to do, and the longest row of them."""
    gaps, since = [0.0], None
    for at, numbers in samples:
        if numbers[0] >= STARVED:
            since = None
            continue
        since = at if since is None else since
        gaps.append(at - since)
    few = sum(numbers[0] < STARVED for _, numbers in samples)
    return {"starved_share": few / len(samples), "longest_gap_s": max(gaps)}


def mean(numbers: list[float]) -> float | None:
    """None of nothing: not every GPU tells its power."""
    return sum(numbers) / len(numbers) if numbers else None
