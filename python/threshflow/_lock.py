"""The lock of a folder that `threshflow release` writes."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ._errors import ThreshflowError
from ._sealed import RELEASED


def is_marked(folder: Path) -> bool:
    """Whether the folder's `.lock` says that the program releases to it."""
    return _text(folder / ".lock") == f"{RELEASED}\n".encode()


@contextmanager
def without_writer(folder: Path) -> Iterator[None]:
    """Keeps `release` away from a folder while it is opened. Raises where one writes to it. A copy without `.lock` has no writer."""
    lock = folder / ".lock"
    # It is empty until its first writer marks it.
    if not is_marked(folder) and _text(lock) != b"":
        yield
        return
    with open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ThreshflowError(
                f"{folder} is being written: a `threshflow release` holds its .lock; wait until that ends, and open the set again"
            ) from error
        except OSError:
            # Not every disk has locks, and then the writer has none either.
            pass
        yield


def _text(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
