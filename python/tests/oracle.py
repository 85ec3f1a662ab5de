"""What was published, read in the plainest way: whole files, pyarrow, tarfile. Nothing of the package."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def published_rows(out: Path, kind: str = "data") -> list[dict[str, Any]]:
    """The rows of a published set, in the order of its manifest."""
    parts = json.loads((out / "manifest.json").read_text())["parts"]
    files = [out / part["file"] for part in parts if part["kind"] == kind]
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def joined(folder: Path, shard: str) -> bytes:
    """The bytes of a tar, its pieces joined."""
    plain = folder / f"{shard}.tar"
    pieces = [plain] if plain.exists() else sorted(folder.glob(f"{shard}.tar.split.*"))
    assert pieces, f"{folder} has no {shard}"
    return b"".join(piece.read_bytes() for piece in pieces)


def files_of(tar: bytes) -> dict[str, bytes]:
    """Every file of a tar, by tarfile. A tar that is cut gives the files before the cut."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        try:
            for member in opened:
                if member.isreg():
                    found[member.name] = opened.extractfile(member).read()
        except tarfile.TarError:
            pass
    return found


def released_files(released: Path) -> dict[str, bytes]:
    """Every file in every tar of a released folder."""
    found: dict[str, bytes] = {}
    for first in released.rglob("*.tar.split.000"):
        found |= files_of(joined(first.parent, first.name.removesuffix(".tar.split.000")))
    return found


def add_file(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Puts a file into a tar that is being written."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
