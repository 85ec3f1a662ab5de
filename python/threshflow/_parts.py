"""Rows of parquet parts, by number, in the order in which they are published."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ._errors import ThreshflowError
from ._look import Look, look_of
from ._lru import Lru
from ._ranges import RangedFile, spans_of
from ._remote import Gone, RemotePiece, Url, Where
from ._sealed import hash_of_file

MOST_BYTES = 256 << 20
"""Of row groups that stay in memory. One that the program wrote has at most 8,192 rows, and some 64 MiB of text or 32 MiB of pictures."""
MOST_FOOTERS = 256
"""Parts of which it is known where their row groups begin."""

MOST_REMOTE = 64 << 20
"""Bytes of small parts in stores that stay in memory."""

Pieces = Lru[Url, RemotePiece]
"""Parts in stores that were opened last. Shared as row groups are."""
Groups = Lru[tuple[Where, int, bool], pa.Table]
"""Row groups: of a file, by number, with the bytes of pictures or without."""


def no_groups() -> Groups:
    """A store of row groups, empty. All parts of a set share one, so that the set holds no more than `MOST_BYTES`, or one row group."""
    return Lru(MOST_BYTES, _bytes_of)


def no_pieces() -> Pieces:
    """A store of open parts, empty."""
    return Lru(MOST_REMOTE, RemotePiece.weight)


def _bytes_of(table: pa.Table) -> int:
    length: int = table.nbytes
    return length


@dataclass(frozen=True)
class Part:
    """A parquet file, as a manifest names it."""

    path: Where
    name: str
    """Of the shard, or of the part of a release."""
    rows: int
    length: int | None = None
    """In bytes; None where nothing says it, and then nothing is checked."""
    hash: str | None = None


@dataclass(frozen=True)
class _Footer:
    """What of a part's footer is needed to read it."""

    ends: list[int]
    """Where each row group ends, in rows."""
    without_pictures: list[str] | None
    """The columns without the bytes of pictures; None where no column has such bytes."""
    whole: pq.FileMetaData | None
    """All of it, of a part in a store, which then need not be asked again."""


class Parts:
    """The rows of all parts, one behind the other. Few row groups are in memory at once, and no file stays open."""

    def __init__(
        self,
        parts: Sequence[Part],
        next_step: str,
        groups: Groups | None = None,
        pieces: Pieces | None = None,
        check: Callable[[Where, RemotePiece | None], None] | None = None,
    ) -> None:
        """`next_step` is what messages say to do where a part is not what it was. `groups` and `pieces` may be shared with other
        parts. `check` is asked once about each part in a store of which no hash is given."""
        self.parts = tuple(parts)
        self._next_step = next_step
        self._ends = list(accumulate(part.rows for part in self.parts))
        # How the files looked that were checked.
        self._looks: dict[int, Look] = {}
        self._footers: Lru[int, _Footer] = Lru(MOST_FOOTERS)
        self._groups = no_groups() if groups is None else groups
        self._check_unhashed = check
        self._pieces = no_pieces() if pieces is None else pieces

    def __getstate__(self) -> dict[str, object]:
        # Each process checks the files that it reads.
        return {**self.__dict__, "_looks": {}}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def place(self, number: int) -> tuple[Part, int]:
        """The part that has a row, and the row's number in it."""
        at = bisect_right(self._ends, number)
        return self.parts[at], number - (self._ends[at] - self.parts[at].rows)

    def row(self, number: int, pictures: bool = True) -> dict[str, Any]:
        """A row, every column. Without `pictures`, the bytes of those that are in the row are not read; their paths are."""
        at = bisect_right(self._ends, number)
        part, within = self.place(number)
        try:
            self._check(at, part)
            footer = self._footers.get(at, lambda: self._read_footer(at, part))
            ends, group = footer.ends, bisect_right(footer.ends, within)
            columns = None if pictures else footer.without_pictures
            key = part.path, group, columns is None
            table = self._groups.get(key, lambda: self._read_group(at, part, group, columns, footer))
        except (OSError, pa.ArrowException) as error:
            raise ThreshflowError(f"{part.path} cannot be read: {error}; {self._next_step}") from error
        row: dict[str, Any] = table.slice(within - (ends[group - 1] if group else 0), 1).to_pylist()[0]
        return row

    def _check(self, at: int, part: Part) -> None:
        # One in a store is checked where it is opened.
        if at in self._looks or part.hash is None or isinstance(part.path, Url):
            return
        look = look_of(part.path)
        length, found = look[0], hash_of_file(part.path)
        if look_of(part.path) != look:
            raise _changed(part, look)
        if length != part.length or found != part.hash:
            raise self._other(part, length, found)
        self._looks[at] = look

    def _other(self, part: Part, length: int, found: str | None) -> ThreshflowError:
        by_hash = f" with the hash {found}" if found is not None else ""
        return ThreshflowError(
            f"{part.path} is not what was published: it has {length} bytes{by_hash}, and the manifest names {part.length} "
            f"bytes with the hash {part.hash}; {self._next_step}"
        )

    def _piece(self, at: int, part: Part, path: Url) -> RemotePiece:
        """What reads a part in a store. Raises where it is not what was published, or not the one that was read first."""
        try:
            piece = RemotePiece(path)
            if at in self._looks:
                if piece.look != self._looks[at]:
                    raise _changed(part, self._looks[at])
            elif part.hash is not None:
                found = None
                # One of another length is not read.
                if piece.look[0] == part.length:
                    piece.keep()
                    found = hash_of_file(piece)
                if found != part.hash:
                    raise self._other(part, piece.look[0], found)
            elif self._check_unhashed is not None:
                self._check_unhashed(path, piece)
        except Gone as error:
            raise ThreshflowError(f"{error}; {self._next_step}") from error
        self._looks.setdefault(at, piece.look)
        return piece

    @contextmanager
    def _opened(self, at: int, part: Part) -> Iterator[IO[bytes] | RangedFile]:
        """The file of a part. Raises where it is not the one that was checked, or that was read first."""
        path = part.path
        if isinstance(path, Url):
            yield RangedFile(self._pieces.get(path, lambda: self._piece(at, part, path)))
            return
        with open(part.path, "rb") as file:
            look = look_of(file.fileno())
            first = self._looks.setdefault(at, look)
            if look != first:
                raise _changed(part, first)
            yield file

    def _read_footer(self, at: int, part: Part) -> _Footer:
        with self._opened(at, part) as file:
            footer = pq.read_metadata(file)
        ends = list(accumulate(footer.row_group(group).num_rows for group in range(footer.num_row_groups)))
        if (ends[-1] if ends else 0) != part.rows:
            raise ThreshflowError(
                f"{part.path} has {footer.num_rows} rows, and {part.rows} were counted; open the set again"
            )
        columns = [footer.schema.column(number).path for number in range(footer.num_columns)]
        others = [column for column in columns if not column.endswith(".bytes")]
        whole = footer if isinstance(part.path, Url) else None
        return _Footer(ends, others if len(others) < len(columns) else None, whole)

    def _read_group(self, at: int, part: Part, group: int, columns: list[str] | None, footer: _Footer) -> pa.Table:
        # Without threads: a process may be a fork of one that had some.
        with self._opened(at, part) as file:
            if not isinstance(file, RangedFile):
                return pq.ParquetFile(file).read_row_group(group, columns=columns, use_threads=False)
            file.fetch(spans_of(footer.whole, group, columns))
            # What pyarrow would fetch ahead, by threads, is there.
            return pq.ParquetFile(file, metadata=footer.whole, pre_buffer=False).read_row_group(group, columns=columns, use_threads=False)


def _changed(part: Part, look: Look) -> ThreshflowError:
    return ThreshflowError(
        f"{part.path} changed while the set was open: it had {look[0]} bytes; leave it alone while it is read, and open the set again"
    )
