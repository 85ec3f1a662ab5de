"""A file that is read by place, as `tarfile` and pyarrow want it."""

from __future__ import annotations

import io
import os


class Seekable(io.RawIOBase):
    """Whoever reads says how long it is, and moves `_at`."""

    _at = 0

    def _length(self) -> int:
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length()}[whence]
        self._at = base + offset
        return self._at
