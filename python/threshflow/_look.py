"""How a file looks: enough to see that it is not the file that it was."""

from __future__ import annotations

import os
from pathlib import Path

Look = tuple[int, int, int]
"""A file's length in bytes, its time of writing in nanoseconds, its inode."""


def look_of(file: int | Path) -> Look:
    """Of an open file, by its number, or of the one at a path."""
    look = os.stat(file)
    return look.st_size, look.st_mtime_ns, look.st_ino
