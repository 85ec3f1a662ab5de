"""Holds a GPU's memory, but LEAVE bytes, until its input ends: `hold.py GPU LEAVE`. Prints what it took and what is free."""

from __future__ import annotations

import sys

from cuda import Cuda


def main() -> None:
    gpu, leave = int(sys.argv[1]), int(sys.argv[2])
    cuda = Cuda(gpu)
    free, _ = cuda.free_and_total()
    cuda.hold(max(0, free - leave))
    print(f"{free - leave} {cuda.free_and_total()[0]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
