"""Rows of parquet parts, by number, in the order in which they are published."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ._errors import ThreshflowError
from ._lru import Lru
from ._sealed import hash_of_file

MOST_GROUPS = 4
"""Row groups that stay in memory. One that the program wrote has at most 8,192 rows, and some 64 MiB of text."""
MOST_FOOTERS = 256
"""Parts of which it is known where their row groups begin."""


@dataclass(frozen=True)
class Part:
    """A parquet file, as a manifest names it."""

    path: Path
    name: str
    """Of the shard, or of the part of a release."""
    rows: int
    length: int | None = None
    """In bytes; None where nothing says it, and then nothing is checked."""
    hash: str | None = None


class Parts:
    """The rows of all parts, one behind the other. Few row groups are in memory at once, and no file stays open."""

    def __init__(self, parts: Sequence[Part], next_step: str) -> None:
        """`next_step` is what messages say to do where a part is not what it was."""
        self.parts = tuple(parts)
        self._next_step = next_step
        self._ends = list(accumulate(part.rows for part in self.parts))
        self._checked: set[int] = set()
        self._footers: Lru[int, list[int]] = Lru(MOST_FOOTERS)
        self._groups: Lru[tuple[int, int], pa.Table] = Lru(MOST_GROUPS)

    def __getstate__(self) -> dict[str, object]:
        # Each process checks the files that it reads.
        return {**self.__dict__, "_checked": set()}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def place(self, number: int) -> tuple[Part, int]:
        """The part that has a row, and the row's number in it."""
        at = bisect_right(self._ends, number)
        return self.parts[at], number - (self._ends[at] - self.parts[at].rows)

    def row(self, number: int) -> dict[str, Any]:
        """A row, every column."""
        at = bisect_right(self._ends, number)
        part, within = self.place(number)
        try:
            self._check(at, part)
            ends = self._footers.get(at, lambda: _group_ends(part))
            group = bisect_right(ends, within)
            table = self._groups.get((at, group), lambda: _read_group(part, group))
        except (OSError, pa.ArrowException) as error:
            raise ThreshflowError(f"{part.path} cannot be read: {error}; {self._next_step}") from error
        row: dict[str, Any] = table.slice(within - (ends[group - 1] if group else 0), 1).to_pylist()[0]
        return row

    def _check(self, at: int, part: Part) -> None:
        if at in self._checked or part.hash is None:
            return
        length, found = part.path.stat().st_size, hash_of_file(part.path)
        if length != part.length or found != part.hash:
            raise ThreshflowError(
                f"{part.path} is not what was published: it has {length} bytes with the hash {found}, and the manifest names {part.length} "
                f"bytes with the hash {part.hash}; {self._next_step}"
            )
        self._checked.add(at)


def _group_ends(part: Part) -> list[int]:
    footer = pq.read_metadata(part.path)
    ends = list(accumulate(footer.row_group(group).num_rows for group in range(footer.num_row_groups)))
    if (ends[-1] if ends else 0) != part.rows:
        raise ThreshflowError(
            f"{part.path} has {footer.num_rows} rows, and {part.rows} were counted; open the set again"
        )
    return ends


def _read_group(part: Part, group: int) -> pa.Table:
    # Without threads: a process may be a fork of one that had some.
    with pq.ParquetFile(part.path) as file:
        return file.read_row_group(group, use_threads=False)
