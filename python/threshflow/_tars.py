"""Tars as one row of bytes: their pieces mapped and joined, and the place of every file in them."""

from __future__ import annotations

import mmap
import tarfile
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path, PurePath
from typing import TypeVar

from ._errors import ThreshflowError
from ._look import Look, look_of
from ._lru import Lru
from ._remote import RemotePiece, Url, Where
from ._seekable import Seekable

MOST_OPEN = 64
"""Pieces of tars that are mapped at once."""
_BLOCK = 512
_SPLIT = ".tar.split."

P = TypeVar("P", bound=PurePath)
Check = Callable[[Where, "RemotePiece | None"], None]
"""Holds a file against what was published of it. One in a store comes with what reads it."""


def pieces_in_order(paths: Iterable[P]) -> list[P]:
    """The pieces of one tar, such as X.tar.split.000, by their numbers. Other files are passed over. Raises where a piece is missing."""
    numbered: dict[int, P] = {}
    widths = []
    for path in sorted(paths):
        digits = path.name.rpartition(_SPLIT)[2]
        if not (digits.isascii() and digits.isdigit()):
            continue
        widths.append(len(digits))
        other = numbered.setdefault(int(digits), path)
        if other != path:
            raise ThreshflowError(f"{other} and {path} are both piece {int(digits)} of one tar; keep one of them")
    in_order = sorted(numbered.items())
    for wanted, (number, path) in enumerate(in_order):
        if number != wanted:
            missing = path.with_name(f"{path.name.rpartition(_SPLIT)[0]}{_SPLIT}{wanted:0{min(widths)}}")
            raise ThreshflowError(f"{missing} is missing, and {path.name} is there; get that piece of the tar, too")
    return [path for _, path in in_order]


class _Piece:
    """A file, mapped for reading."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self.look: Look = look_of(file.fileno())
            # Nothing can be mapped of an empty file.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.look[0] else None

    def read(self, offset: int, length: int) -> bytes:
        # A file that became shorter ends the process where it is read behind its end.
        if self._map is None or self._map.size() < self.look[0]:
            return b""
        return self._map[offset : offset + length]


class OpenPieces:
    """The pieces that are mapped: those that were used last."""

    def __init__(self) -> None:
        self._pieces: Lru[Where, _Piece | RemotePiece] = Lru(MOST_OPEN)

    def piece(self, path: Where, next_step: str) -> _Piece | RemotePiece:
        """The piece at this path, mapped; of one in a store what reads it."""
        try:
            return self._pieces.get(path, lambda: RemotePiece(path) if isinstance(path, Url) else _Piece(path))
        except (OSError, ValueError) as error:
            raise ThreshflowError(f"{path} cannot be read: {error}; {next_step}") from error


class Tar:
    """A tar in one or several pieces. Holds their lengths; the pieces are mapped when they are read."""

    def __init__(
        self,
        name: str,
        paths: Sequence[Where],
        next_step: str,
        check: Check | None = None,
    ) -> None:
        """`name` is what messages call it, and `next_step` what they say to do. `check` is asked about each piece, once."""
        self.name, self.next_step = name, next_step
        self._paths = tuple(paths)
        self._starts: list[int] = []
        self._looks: list[Look] = []
        self._check = check

    def __getstate__(self) -> dict[str, object]:
        # Each process looks at the files and checks them itself.
        return {**self.__dict__, "_starts": [], "_looks": []}

    def _open(self, pieces: OpenPieces) -> None:
        if self._starts:
            return
        if not self._paths:
            raise ThreshflowError(f"{self.name} is not there; {self.next_step}")
        starts, looks = [0], []
        for path in self._paths:
            piece = pieces.piece(path, self.next_step)
            looks.append(piece.look)
            starts.append(starts[-1] + looks[-1][0])
            # Now that it is mapped: what takes its place later is not read.
            if self._check is not None:
                self._check(path, piece if isinstance(piece, RemotePiece) else None)
        # `_starts` last: where it is there, other threads take both to be.
        self._looks = looks
        self._starts = starts

    @property
    def is_remote(self) -> bool:
        """Whether it lies in a store: each look at another place of it is a request."""
        return any(isinstance(path, Url) for path in self._paths)

    def size(self, pieces: OpenPieces) -> int:
        """Its length in bytes, pieces joined."""
        self._open(pieces)
        return self._starts[-1]

    def read(self, offset: int, length: int, pieces: OpenPieces) -> bytes:
        """`length` bytes at `offset`, fewer at its end. Raises where a piece is gone, or is not the file that it was."""
        self._open(pieces)
        end = min(offset + length, self._starts[-1])
        parts: list[bytes] = []
        while offset < end:
            number = bisect_right(self._starts, offset) - 1
            path, start = self._paths[number], self._starts[number]
            piece = pieces.piece(path, self.next_step)
            wanted = min(end, self._starts[number + 1]) - offset
            read = piece.read(offset - start, wanted)
            if len(read) != wanted or piece.look != self._looks[number]:
                raise ThreshflowError(
                    f"{path} changed while the set was open: it had {self._looks[number][0]} bytes; leave it alone while it is read, "
                    "and open the set again"
                )
            parts.append(read)
            offset += wanted
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def files(self, pieces: OpenPieces, whole: bool = True, begin: int = 0) -> Iterator[tarfile.TarInfo]:
        """Its files, in order, by their headers alone, from the header at `begin` on. Where it is damaged or cut it raises, or ends if it need
        not be `whole`."""
        try:
            with tarfile.open(fileobj=_Joined(self, pieces, begin), mode="r:") as tar:
                while (member := tar.next()) is not None:
                    # `tar` would keep them all. (typeshed does not know the list.)
                    tar.members.clear()  # type: ignore[attr-defined]
                    if member.isreg():
                        yield member
                end = tar.offset
        except (tarfile.TarError, EOFError) as error:
            if not whole:
                return
            raise ThreshflowError(f"{self.name} is no whole tar: {error}; {self.next_step}") from error
        # `tar` takes a header that is damaged, or not there, for the end.
        if whole and self.read(end, _BLOCK, pieces) != bytes(_BLOCK):
            raise ThreshflowError(
                f"{self.name} is no whole tar: at byte {end} of {self.size(pieces)} is neither the header of a file nor the tar's end; "
                f"{self.next_step}"
            )


class _Joined(Seekable):
    """A tar as the file that `tarfile` reads."""

    def __init__(self, tar: Tar, pieces: OpenPieces, begin: int) -> None:
        self._tar, self._pieces, self._at = tar, pieces, begin

    def _length(self) -> int:
        return self._tar.size(self._pieces)

    def read(self, size: int = -1) -> bytes:
        size = self._length() if size < 0 else size
        read = self._tar.read(self._at, size, self._pieces)
        self._at += len(read)
        return read


def path_in_tar(path: str) -> str:
    """A file's path as it is looked up: `tar cf all.tar ./results` writes a `./` before each."""
    return path.removeprefix("./")


class Files:
    """Where the files of a tar lie. 24 bytes a file: a hash of its path, its place and its length."""

    def __init__(self, tar: Tar, pieces: OpenPieces) -> None:
        found = sorted(
            (_key(member.name), number, member.offset_data, member.size)
            for number, member in enumerate(tar.files(pieces))
        )
        self._keys = array("Q", (key for key, _, _, _ in found))
        self._offsets = array("Q", (offset for _, _, offset, _ in found))
        self._lengths = array("Q", (length for _, _, _, length in found))

    def find(self, path: str) -> tuple[int, int] | None:
        """The place and the length of a file in the joined tar. Of two of one path it is the later one, as tar has it."""
        key = _key(path)
        at = bisect_right(self._keys, key)
        if at == bisect_left(self._keys, key):
            return None
        return self._offsets[at - 1], self._lengths[at - 1]


class FilesOnTheWay:
    """The same of a tar in a store, of which each header may cost a request: they are read up to the file that is looked for, and no further.
    Of two files of one path it is the first one; a release has no such two. Some 200 bytes a file."""

    def __init__(self, tar: Tar, pieces: OpenPieces) -> None:
        self._tar, self._pieces = tar, pieces
        self._found: dict[int, tuple[int, int]] = {}
        # Where the header behind the last file lies, that is known; None where there is none.
        self._next: int | None = 0
        self._walk = tar.files(pieces)
        self._lock = threading.Lock()

    def find(self, path: str) -> tuple[int, int] | None:
        """The place and the length of a file in the joined tar."""
        key = _key(path)
        with self._lock:
            while key not in self._found and self._next is not None:
                self._step(self._next)
            return self._found.get(key)

    def _step(self, begin: int) -> None:
        try:
            member = next(self._walk, None)
        except BaseException:
            # What failed may pass, and is tried again where it is asked for again.
            self._walk = self._tar.files(self._pieces, begin=begin)
            raise
        if member is None:
            self._next = None
            return
        self._found.setdefault(_key(member.name), (member.offset_data, member.size))
        self._next = member.offset_data + -(-member.size // _BLOCK) * _BLOCK


def _key(path: str) -> int:
    return int.from_bytes(blake2b(path_in_tar(path).encode(errors="surrogateescape"), digest_size=8).digest(), "big")
