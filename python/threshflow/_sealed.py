"""Manifests: what a folder holds, by its own word, and whether the word is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blake3 import blake3

from ._errors import ThreshflowError
from ._remote import RemotePiece, Url, Where, read_whole

PUBLISHED = "threshflow published set"
RELEASED = "threshflow released edits"
_KNOWN = {PUBLISHED: 1, RELEASED: 3}
"""The newest version of each format that this package reads."""
_BEFORE, _BEHIND, _DIGITS = b',\n  "check": "', b'"\n}\n', 32


def hash_of(data: bytes) -> str:
    """The hash that is published: the first 16 bytes of BLAKE3, as 32 hex digits."""
    return blake3(data).hexdigest(16)


def hash_of_file(file: Path | RemotePiece) -> str:
    """The same of a file, which is not read into memory; one in a store is read whole for it."""
    hasher = blake3()
    if isinstance(file, Path):
        hasher.update_mmap(file)
    else:
        for block in file.blocks():
            hasher.update(block)
    return hasher.hexdigest(16)


def read_manifest(folder: Where) -> dict[str, Any] | None:
    """The manifest of a folder; None where it has none. Raises where it is damaged, or newer than this package."""
    path = folder / "manifest.json"
    try:
        text = read_whole(path) if isinstance(path, Url) else path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ThreshflowError(f"{path} cannot be read: {error}; check that you may read it") from error
    if text is None:
        return None
    try:
        manifest = json.loads(text)
    except ValueError:
        manifest = None
    if isinstance(manifest, dict):
        known, version = _KNOWN.get(str(manifest.get("format"))), manifest.get("version")
        # Before the seal: a newer one may be sealed otherwise.
        if known is not None and isinstance(version, int) and version > known:
            raise ThreshflowError(
                f"{path} is of version {version}, and this package knows versions up to {known}; update the package: install the wheel of "
                "the program that wrote the folder"
            )
    if not isinstance(manifest, dict) or (manifest.get("sealed") and not _seal_holds(text)):
        raise ThreshflowError(
            f"{path} is damaged: it is not what was written; delete it, and let the program write the folder again"
        )
    return manifest


def _seal_holds(text: bytes) -> bool:
    length = len(_BEFORE) + _DIGITS + len(_BEHIND)
    rest, seal = text[:-length], text[-length:]
    digits = seal[len(_BEFORE) : len(_BEFORE) + _DIGITS]
    return seal == _BEFORE + digits + _BEHIND and hash_of(rest + b"\n}").encode() == digits
