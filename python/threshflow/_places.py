"""Where the shards of a published set lie: as the store noted it, or in a folder that the caller names."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from ._errors import ThreshflowError
from ._remote import Url, Where, is_url, listed
from ._tars import pieces_in_order

Shard = tuple[str, str]
"""A shard's name, and the fingerprint of what it holds."""


@dataclass(frozen=True)
class Place:
    """Where one shard lies: the pieces of a tar, or the folder of pictures that lie loose."""

    pieces: tuple[str, ...]
    folder: str | None


def places_by_store(store: Path, wanted: set[Shard]) -> dict[Shard, Place]:
    """The place where each shard was seen last. Shards that the store does not know are left out."""
    if not (store / "store.json").is_file():
        raise ThreshflowError(
            f"{store} is no store: it has no store.json; name the store of the run that published (store=FOLDER), or a folder that holds the "
            "tars (shards=FOLDER)"
        )
    found: dict[Shard, Place] = {}
    # What the store's first segment knows counts before what others know.
    for log in [store / "sources.log", *sorted(store.glob("segments/*/sources.log"))]:
        known = {shard: place for shard, place in _sightings(log) if shard in wanted}
        found = {**known, **found}
    return found


def _sightings(log: Path) -> Iterator[tuple[Shard, Place]]:
    """The sightings of a log, in order: of one shard the last one counts. Damaged lines are passed over, as the program passes them over."""
    try:
        with open(log, "rb") as lines:
            for line in lines:
                crc, _, text = line.rstrip(b"\n").partition(b"\t")
                if crc == b"%08x" % zlib.crc32(text) and line.endswith(b"\n"):
                    seen = json.loads(text)
                    # {"Ok": path}; a piece that was missing is {"Err": path}, and nothing behind it was published.
                    there = takewhile(lambda piece: "Err" not in piece, seen["pieces"])
                    pieces = tuple(str(place) for piece in there for place in piece.values())
                    folder = seen["folder"] if seen.get("files") else None
                    if pieces or folder is not None:
                        yield (seen["name"], seen["fingerprint"]), Place(pieces, folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ThreshflowError(f"{log} cannot be read: {error}; check that you may read it") from error


def place_in_folder(folder: Path, name: str) -> Place:
    """A shard in the folder that the caller named: NAME.tar, NAME.tar.split.000 and so on, or NAME, a folder of pictures."""
    if (folder / f"{name}.tar").is_file():
        return Place((str(folder / f"{name}.tar"),), None)
    if pieces := pieces_in_order(folder.glob(f"{_literal(name)}.tar.split.*")):
        return Place(tuple(str(piece) for piece in pieces), None)
    # A large folder of pictures is in parts: photos/1-of-16.
    loose = folder / re.sub(r"/\d+-of-\d+$", "", name)
    if loose.is_dir():
        return Place((), str(loose))
    raise ThreshflowError(
        f"{folder} does not hold the shard {name!r}: there is no {name}.tar, no {name}.tar.split.000 and no folder {name}; name the folder "
        "below which the shards have the names that were published"
    )


def places_in(folder: Where, names: set[str]) -> dict[str, Place]:
    """Shards in the folder that the caller named, by name. A folder in a bucket is listed once."""
    if isinstance(folder, Path):
        return {name: place_in_folder(folder, name) for name in names}
    files = listed(folder)
    if files is None:
        raise ThreshflowError(
            f"{folder} is on a web server, which does not say what it holds; name the store of the run (store=FOLDER), which noted where each shard "
            "lies, or copy the shards to a folder and name that"
        )
    pieces: dict[str, list[PurePosixPath]] = {}
    for file in files:
        name, is_piece, _ = file.rpartition(".tar.split.")
        if is_piece and name in names:
            pieces.setdefault(name, []).append(PurePosixPath(file))
    return {name: _place_in_bucket(folder, name, files, pieces.get(name, [])) for name in names}


def _place_in_bucket(folder: Url, name: str, files: set[str], pieces: list[PurePosixPath]) -> Place:
    if f"{name}.tar" in files:
        return Place((folder / f"{name}.tar",), None)
    if in_order := pieces_in_order(pieces):
        return Place(tuple(folder / str(piece) for piece in in_order), None)
    raise ThreshflowError(
        f"{folder} does not hold the shard {name!r}: there is no {name}.tar and no {name}.tar.split.000 (pictures that lie loose are not read from "
        "buckets); name the folder below which the shards have the names that were published"
    )


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def located(place: str) -> Path | Url:
    """The file at a place that was noted."""
    return Url(place) if is_url(place) else Path(place)
