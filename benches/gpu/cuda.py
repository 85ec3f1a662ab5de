"""What is asked of CUDA itself, through its runtime library: page-locked memory, memory that is only held, what is free.

No torch and no CuPy is needed: ONNX Runtime's CUDA provider brings the library that is loaded here.
"""

from __future__ import annotations

import ctypes
import math

import numpy as np

NAMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")


class CudaError(Exception):
    """CUDA refused, or is not there."""


class Cuda:
    """One GPU."""

    def __init__(self, number: int) -> None:
        self.library = load()
        self.call("cudaSetDevice", ctypes.c_int(number))

    def call(self, name: str, *arguments: object) -> None:
        """Calls a function of the runtime; an error by its own name."""
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            self.library.cudaGetErrorName.restype = ctypes.c_char_p
            self.library.cudaGetLastError()
            raise CudaError(f"{name}: {(self.library.cudaGetErrorName(code) or b'?').decode()} ({code})")

    def page_locked(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array in memory that the GPU reads and writes by itself. It is kept until the process ends."""
        length = max(1, math.prod(shape)) * np.dtype(dtype).itemsize
        start = ctypes.c_void_p()
        self.call("cudaHostAlloc", ctypes.byref(start), ctypes.c_size_t(length), ctypes.c_uint(0))
        block = (ctypes.c_byte * length).from_address(start.value)
        return np.frombuffer(block, dtype=dtype, count=math.prod(shape)).reshape(shape)

    def free_and_total(self) -> tuple[int, int]:
        """Bytes of the GPU's memory."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def hold(self, length: int) -> None:
        """Takes so many bytes of the GPU's memory, by plain allocations of a gigabyte at most, until the process ends."""
        while length > 0:
            piece = min(length, 1 << 30)
            self.call("cudaMalloc", ctypes.byref(ctypes.c_void_p()), ctypes.c_size_t(piece))
            length -= piece


def load() -> ctypes.CDLL:
    """The runtime library, by any of its names."""
    why = []
    for name in NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            why.append(str(error))
    raise CudaError("; ".join(why))
