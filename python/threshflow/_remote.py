"""Files in object stores and on web servers, read by ranges through fsspec. Which package knows a kind of store, fsspec says: s3fs, gcsfs, adlfs,
huggingface_hub, aiohttp."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ._errors import ThreshflowError
from ._look import Look, look_of

_BLOCK = 64 << 10
"""So many bytes are read where fewer are wanted: the headers of small files lie near each other."""
_LARGE_BLOCK = 8 << 20
"""So many at once, where all of a file is read."""
_WHOLE = 16 << 20
"""A file of at most so many bytes is small enough to stay in memory."""
_MOST_TRIES = 3
_VERSIONS = ("ETag", "etag", "generation", "blob_id", "last_modified", "Last-Modified", "mtime", "created")
"""By what stores tell versions of a file apart."""
_USED_IN: set[int] = set()
"""Processes that used fsspec: this one, and those that it was forked from."""
_CHECK = "check that it is there, and the credentials in the environment"


class Url(str):
    """Where a file or a folder lies that is on no disk."""

    def __truediv__(self, below: str) -> Url:
        return Url(f"{self}/{below}")


Where = Path | Url
"""Where a file or a folder lies."""


class Gone(ThreshflowError):
    """A file is not there."""


class Changed(ThreshflowError):
    """A file is not the one that it was."""


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a URL and no path."""
    return "://" in os.fspath(place)


def where(place: str | os.PathLike[str]) -> Where:
    """Where a folder lies that the caller named."""
    return Url(os.fspath(place).rstrip("/")) if is_url(place) else Path(place)


def on_disk(store: str | os.PathLike[str]) -> Path:
    """The folder of a store. Raises where it is a URL."""
    if is_url(store):
        raise ThreshflowError(f"{store} is no store: stores are folders on disks; name the store of the run that published (store=FOLDER)")
    return Path(store)


class RemotePiece:
    """A file in a store, as it was when this was made. Of S3, each range is asked for under the condition that the file is still that one; of
    other stores, it is looked behind each range whether it is."""

    def __init__(self, url: Url) -> None:
        self._url = url
        # A block that was read last, and where it lies.
        self._kept: tuple[int, bytes] = 0, b""
        self._process, self._file = os.getpid(), self._open()
        self.look: Look = self._look_of(self._file)

    def _open(self) -> Any:
        """The file, where the store is S3: that one knows the condition."""
        try:
            store, path = _store(self._url)
            return store.open(path, "rb", cache_type="none") if _is_s3(self._url) else None
        except FileNotFoundError as error:
            raise _gone(self._url, error) from error
        except ThreshflowError:
            raise
        except Exception as error:
            raise ThreshflowError(f"{self._url} cannot be read: {_words(error)}; {_CHECK}") from error

    def _look_of(self, file: Any) -> Look:
        store, path = _store(self._url)
        try:
            told = store.info(path) if file is None else file.details
            version = str([told[name] for name in _VERSIONS if name in told] or store.ukey(path))
        except FileNotFoundError as error:
            raise _gone(self._url, error) from error
        except Exception as error:
            raise ThreshflowError(f"{self._url} cannot be read: {_words(error)}; {_CHECK}") from error
        if told["type"] == "directory":
            raise Gone(f"{self._url} cannot be read: it is a folder and no file; {_CHECK}")
        if told["size"] is None:
            raise ThreshflowError(f"{self._url} cannot be read: its server does not say how long it is; copy it to this machine")
        return told["size"], int.from_bytes(blake2b(version.encode(), digest_size=8).digest(), "big"), 0

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`, fewer at its end."""
        begin, block = self._kept
        if not (begin <= offset and offset + length <= begin + len(block)):
            begin, block = offset, self._range(offset, max(length, _BLOCK if length < _BLOCK else length))
            if length < _BLOCK:
                self._kept = begin, block
        return block[offset - begin : offset - begin + length]

    def keep(self) -> None:
        """Reads all of it into memory, where it is small."""
        if self.look[0] <= _WHOLE:
            self._kept = 0, self._range(0, self.look[0])

    def blocks(self) -> Iterator[bytes]:
        """All of it."""
        size = self.look[0]
        return (self.read(offset, min(_LARGE_BLOCK, size - offset)) for offset in range(0, size, _LARGE_BLOCK))

    def weight(self) -> int:
        """Bytes of memory, roughly."""
        return 2048 + len(self._kept[1])

    def _range(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.look[0])
        if offset >= end:
            return b""
        if self._process != os.getpid():
            # A process that was forked needs connections of its own.
            file = self._open()
            self._hold(self._look_of(file))
            self._process, self._file = os.getpid(), file
        try:
            read = self._fetched(offset, end)
        except FileNotFoundError as error:
            raise _gone(self._url, error) from error
        except ThreshflowError:
            raise
        except Exception as error:
            if type(error).__name__ == "FileExpired":
                raise self._changed() from error
            raise ThreshflowError(f"{self._url} cannot be read: {_words(error)}; {_CHECK}") from error
        if len(read) != end - offset:
            raise ThreshflowError(
                f"{self._url} cannot be read: its server gave {len(read)} bytes where {end - offset} were asked for; copy it to this machine"
            )
        return read

    def _fetched(self, offset: int, end: int) -> bytes:
        if self._file is not None:
            asked: bytes = self._file._fetch_range(offset, end)
            return asked
        # Anew each time, and kept by fsspec.
        store, path = _store(self._url)
        read: bytes = store.cat_file(path, start=offset, end=end)
        self._hold(self._look_of(None))
        return read

    def _hold(self, look: Look) -> None:
        if look != self.look:
            raise self._changed()

    def _changed(self) -> Changed:
        return Changed(
            f"{self._url} changed while the set was open: it had {self.look[0]} bytes; leave it alone while it is read, and open the set again"
        )


def look_at(place: Where) -> Look:
    """How a file looks, wherever it lies."""
    return RemotePiece(place).look if isinstance(place, Url) else look_of(place)


def read_whole(url: Url) -> bytes | None:
    """All bytes of a file, of one version; None where it is not there."""
    for _ in range(_MOST_TRIES):
        try:
            piece = RemotePiece(url)
            return piece.read(0, piece.look[0])
        except Gone:
            return None
        except Changed:
            continue
    raise ThreshflowError(f"{url} changes again and again while it is read: wait until whoever writes it has ended, and open the set again")


def listed(folder: Url) -> set[str] | None:
    """The files below a folder, by their paths in it; None of a web server, which does not list."""
    if folder.startswith(("http://", "https://")):
        return None
    store, path = _store(folder)
    try:
        # What was listed before, here or elsewhere in this process, counts for nothing.
        store.invalidate_cache()
        found = store.find(path)
        store.invalidate_cache()
    except FileNotFoundError as error:
        gone = _gone(folder, error)
        if isinstance(gone, Gone):
            return set()
        raise gone from error
    except Exception as error:
        raise ThreshflowError(f"{folder} cannot be listed: {_words(error)}; {_CHECK}, and that they allow to list") from error
    before = path.rstrip("/") + "/"
    return {name.removeprefix(before) for name in found if name.startswith(before)}


def _is_s3(url: Url) -> bool:
    return url.partition("://")[0] == "s3"


def _store(url: Url) -> tuple[Any, str]:
    """What reads this kind of store, and the file's path in it."""
    scheme = url.partition("://")[0]
    copy = "copy it to a folder on this machine, and name that (of shards: shards=FOLDER)"
    try:
        import fsspec.asyn
    except ImportError as error:
        raise ThreshflowError(
            f"{url} lies on no disk, and fsspec is not installed, which reads such files: pip install 'threshflow[s3]' for S3, else fsspec with "
            f"gcsfs (gs://), adlfs (az://), huggingface_hub (hf://) or aiohttp (https://); or {copy}"
        ) from error
    _USED_IN.add(os.getpid())
    if len(_USED_IN) > 1 and not hasattr(fsspec.asyn, "reset_after_fork"):
        raise ThreshflowError(
            f"{url} cannot be read in a process that was forked: fsspec {fsspec.__version__} waits there for ever; install fsspec 2025.3.2 or later, or start "
            "processes by spawn"
        )
    # As the program takes it: a bucket that everybody may read.
    public = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("true", "1")
    # Apart from what the caller listed, which may be old.
    options = {"use_listings_cache": False, **({"anon": True} if public else {})} if scheme == "s3" else {}
    try:
        store = fsspec.filesystem(scheme, **options)
    except (ImportError, ValueError) as error:
        raise ThreshflowError(f"{url}: {error}; install that package, or {copy}") from error
    return store, store._strip_protocol(url)


def _gone(url: Url, error: Exception) -> ThreshflowError:
    """A file is not there; where its bucket is not there, that is another error."""
    told = f"{url} cannot be read: {_words(error)}; {_CHECK}"
    answers = (getattr(cause, "response", None) or {} for cause in (error.__cause__, error.__context__))
    no_bucket = any(answer.get("Error", {}).get("Code") == "NoSuchBucket" for answer in answers)
    return ThreshflowError(told) if no_bucket else Gone(told)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
