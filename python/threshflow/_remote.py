"""Files in object stores and on web servers, read by ranges through fsspec. Which package knows a kind of store, fsspec says: s3fs, gcsfs, adlfs,
huggingface_hub, aiohttp."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ._errors import ThreshflowError
from ._look import Look

_BLOCK = 64 << 10
"""So many bytes are read where fewer are wanted: the headers of small files lie near each other."""
_CHECK = "check that it is there, and the credentials in the environment"


class Url(str):
    """Where a file lies that is on no disk."""


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a URL and no path."""
    return "://" in os.fspath(place)


def on_disk(place: str | os.PathLike[str]) -> Path:
    """A set's folder. Raises where it is none but a URL."""
    if is_url(place):
        raise ThreshflowError(
            f"{place} lies on no disk: of what is published in a bucket, the store of the run has a mirror, in buckets/NAME/set; name that, or copy "
            "the set to a folder"
        )
    return Path(place)


class RemotePiece:
    """A file in a store, as it was when this was made."""

    def __init__(self, url: Url) -> None:
        self._url = url
        # A block that was read last, and where it lies.
        self._kept: tuple[int, bytes] = 0, b""
        store, path = _store(url)
        try:
            size, version = store.info(path)["size"], str(store.ukey(path))
        except Exception as error:
            raise ThreshflowError(f"{url} cannot be read: {_words(error)}; {_CHECK}") from error
        if size is None:
            raise ThreshflowError(f"{url} cannot be read: its server does not say how long it is; copy it to this machine")
        self.look: Look = size, int.from_bytes(blake2b(version.encode(), digest_size=8).digest(), "big"), 0

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`, fewer at its end."""
        begin, block = self._kept
        if not (begin <= offset and offset + length <= begin + len(block)):
            begin, block = offset, self._range(offset, max(length, _BLOCK if length < _BLOCK else length))
            if length < _BLOCK:
                self._kept = begin, block
        return block[offset - begin : offset - begin + length]

    def _range(self, offset: int, length: int) -> bytes:
        # Anew each time, and kept by fsspec: a worker process needs its own.
        store, path = _store(self._url)
        end = min(offset + length, self.look[0])
        if offset >= end:
            return b""
        try:
            read: bytes = store.cat_file(path, start=offset, end=end)
        except Exception as error:
            raise ThreshflowError(f"{self._url} cannot be read: {_words(error)}; {_CHECK}") from error
        return read


def _store(url: Url) -> tuple[Any, str]:
    """What reads this kind of store, and the file's path in it."""
    scheme = url.partition("://")[0]
    try:
        import fsspec
    except ImportError as error:
        raise ThreshflowError(
            f"{url} lies on no disk, and fsspec is not installed, which reads such files: pip install 'threshflow[s3]' for S3, else fsspec with "
            "gcsfs (gs://), adlfs (az://), huggingface_hub (hf://) or aiohttp (https://); or copy the shards to this machine, and name the folder "
            "that they lie in (shards=FOLDER)"
        ) from error
    # As the program takes it: a bucket that everybody may read.
    public = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("true", "1")
    options = {"anon": True} if scheme == "s3" and public else {}
    try:
        store = fsspec.filesystem(scheme, **options)
    except (ImportError, ValueError) as error:
        raise ThreshflowError(
            f"{url}: {error}; install that package, or copy the shards to this machine, and name the folder that they lie in (shards=FOLDER)"
        ) from error
    return store, store._strip_protocol(url)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
