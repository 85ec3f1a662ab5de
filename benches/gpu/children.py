"""What every step has: where things lie, how much time is left, and how other programs are run and listened to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class Failed(Exception):
    """Why a step, or a part of one, has no result; for people."""


@dataclass
class Ran:
    """A program that ended by itself."""

    stdout: str
    # Lines of stderr, with the seconds since the start.
    said: list[tuple[float, str]]
    # By time.monotonic().
    begin: float
    end: float

    def json(self) -> Any:
        """The one JSON object that it printed."""
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise Failed(f"its output is no JSON ({error}): {self.stdout[:200]!r}") from error


@dataclass
class Bench:
    """One run of the bench."""

    work: Path
    program: Path
    # A folder with a folder for each model, and what each is.
    models: Path
    made: dict[str, str]
    device: str
    # How the asked time compares with the usual one.
    scale: float
    until: float
    # When the step that runs now must end.
    step_until: float = 0.0
    results: dict[str, Any] = field(default_factory=dict)
    # Whether a session was seen to run on it.
    device_works: bool = False
    # The lines of stderr of the program that ended last.
    said: list[str] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def gpu(self) -> int:
        return int(self.device.partition(":")[2] or 0)

    def left(self) -> float:
        """Seconds that the step still has."""
        return min(self.step_until, self.until) - time.monotonic()

    def run(self, command: list[str | Path], at_most: float | None = None) -> Ran:
        """Runs a program to its end. It is killed when its time is up, which is a failure; so is any exit code but 0."""
        limit = max(1.0, self.left() if at_most is None else min(at_most, self.left()))
        words = [str(word) for word in command]
        name = " ".join(Path(word).name if number < 2 else word for number, word in enumerate(words[:4]))
        begin = time.monotonic()
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        said: list[tuple[float, str]] = []
        stdout: list[str] = []
        assert child.stdout is not None and child.stderr is not None
        listeners = [
            threading.Thread(target=lambda: stdout.append(child.stdout.read()), daemon=True),
            threading.Thread(
                target=lambda: said.extend((time.monotonic() - begin, line.rstrip()) for line in child.stderr),
                daemon=True,
            ),
        ]
        for listener in listeners:
            listener.start()
        try:
            code = child.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise Failed(f"{name} was not done after {limit:.0f} s, and was stopped; it said: {tail(said)}") from None
        end = time.monotonic()
        for listener in listeners:
            listener.join(timeout=10)
        self.said = [line for _, line in said]
        if code != 0:
            raise Failed(f"{name} ended with {code}: {tail(said)}")
        return Ran("".join(stdout), said, begin, end)

    def threshflow(self, words: list[str | Path], device: str | None = None, backend: str = "onnxruntime") -> Ran:
        """Runs the program, on the device of the bench unless another is named."""
        return self.run([self.program, *words, f"--device={device or self.device}", f"--backend={backend}"])

    def python(self, script: str, words: list[str | Path], at_most: float | None = None) -> Ran:
        """Runs one of the files beside this one."""
        return self.run([sys.executable, HERE / script, *words], at_most)

    def fresh(self, name: str) -> Path:
        """A path in the work folder that nothing lies at yet."""
        path, number = self.work / name, 1
        while path.exists():
            number += 1
            path = self.work / f"{name}-{number}"
        return path


def tail(said: list[tuple[float, str]]) -> str:
    """The end of what a program said."""
    lines = [line for _, line in said if line.strip()]
    return " / ".join(lines[-4:])[-900:] or "nothing"


def cores() -> int:
    return len(os.sched_getaffinity(0))


def say(line: str) -> None:
    print(line, flush=True)
