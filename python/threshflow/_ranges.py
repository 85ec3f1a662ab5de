"""A parquet file in a store, as the file that pyarrow reads: what of it belongs together is fetched at once."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow.parquet as pq

from ._remote import RemotePiece
from ._seekable import Seekable

_GAP = 64 << 10
"""What lies nearer than this is fetched with what lies between."""


def spans_of(footer: pq.FileMetaData, group: int, columns: list[str] | None) -> list[tuple[int, int]]:
    """Where the columns of a row group lie, from and to: all columns, or those of these paths."""
    spans = []
    of_group = footer.row_group(group)
    for number in range(of_group.num_columns):
        column = of_group.column(number)
        if columns is None or column.path_in_schema in columns:
            begin = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset is not None:
                begin = min(begin, column.dictionary_page_offset)
            spans.append((begin, begin + column.total_compressed_size))
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin - joined[-1][1] <= _GAP:
            begin, end = joined[-1][0], max(joined.pop()[1], end)
        joined.append((begin, end))
    return joined


class RangedFile(Seekable):
    """Reads from what was fetched, and else asks the store."""

    def __init__(self, piece: RemotePiece) -> None:
        self._piece = piece
        self._fetched: list[tuple[int, bytes]] = []

    def fetch(self, spans: Iterable[tuple[int, int]]) -> None:
        """Fetches what lies at these places, from and to, each at once."""
        self._fetched = [(begin, self._piece.read(begin, end - begin)) for begin, end in spans]

    def _length(self) -> int:
        return self._piece.look[0]

    def read(self, size: int = -1) -> bytes:
        left = max(self._length() - self._at, 0)
        size = left if size < 0 else min(size, left)
        for begin, block in self._fetched:
            if begin <= self._at and self._at + size <= begin + len(block):
                read = block[self._at - begin : self._at - begin + size]
                break
        else:
            read = self._piece.read(self._at, size)
        self._at += len(read)
        return read
