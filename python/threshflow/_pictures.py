"""`pictures`: the kept rows of a published set, with the files of their pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ._errors import ThreshflowError
from ._items import Kept, Picture
from ._lru import Lru
from ._parts import Part, Parts
from ._places import Place, located, places_by_store, places_in
from ._reader import Reader
from ._remote import Url, Where, listed, on_disk, where
from ._sealed import PUBLISHED, RELEASED, hash_of, read_manifest
from ._tars import OpenPieces, Tar, path_in_tar

_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
_MOST_TARS = 1024
_AGAIN = "open the set again if it was published anew, else let `threshflow verify` say what is damaged"
_WHERE = "run again where the shards lie now, or name the folder that holds them (shards=FOLDER)"
_MOST_TRIES = 3


def pictures(
    out: str | os.PathLike[str],
    store: str | os.PathLike[str] | None = None,
    *,
    shards: str | os.PathLike[str] | None = None,
    verify: bool = True,
) -> Pictures:
    """The kept rows of the folder `out` that a run published to, with the files of their pictures.

    The pictures are read where they lie, in the shards. `store` is the store of the run, which noted where that is; where it is not
    named, it is the folder `store` beside `out`. `shards` is a folder that holds the shards instead, under the names that were published;
    then no store is read. With `verify`, every picture is held against the hash that was published of it.

    `out` and `shards` may be folders in a bucket, such as `s3://BUCKET/out`. What lies in object stores is read by ranges, where fsspec and the
    package for that store are installed (`pip install 'threshflow[s3]'`). Nothing lies beside a set in a bucket: `store` or `shards` is named.

    Raises `ThreshflowError` where `out` or the store is none.
    """
    folder = where(out)
    manifest = _whole_set(folder) if isinstance(folder, Url) else read_manifest(folder)
    if manifest is None or manifest.get("format") != PUBLISHED:
        what = "has no manifest.json" if manifest is None else f"holds {manifest.get('format')!r}"
        hint = "; threshflow.pairs reads it" if manifest and manifest.get("format") == RELEASED else ""
        raise ThreshflowError(
            f"{folder} is no folder that a run published to: it {what}{hint}; name the folder of --out"
        )
    data = _data_of(manifest)
    parts = [
        Part(folder / part["file"], part["shard"], part["rows"], part["bytes"], part.get("hash"))
        for part in data
    ]
    wanted = {(part["shard"], part["fingerprint"]) for part in data}
    if shards is not None:
        places = places_in(where(shards), {part["shard"] for part in data})
    elif wanted:
        known = places_by_store(on_disk(store) if store is not None else _beside(folder), wanted)
        places = {name: place for (name, _), place in known.items()}
    else:
        places = {}
    return Pictures(Parts(parts, _AGAIN), places, verify)


def _data_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in manifest["parts"] if part["kind"] == "data"]


def _beside(folder: Where) -> Path:
    """The store that is meant where none is named."""
    if isinstance(folder, Url):
        raise ThreshflowError(
            f"{folder} lies in a bucket, and does not say where its shards lie: name the store of the run that published it (store=FOLDER), which noted "
            "that, or the folder that holds the shards, here or in a bucket (shards=FOLDER)"
        )
    return Path(os.path.abspath(folder)).with_name("store")


def _whole_set(folder: Url) -> dict[str, Any] | None:
    """The manifest of a set in a bucket, of which all parts are there. A new set may be published at any time: parts that only the old one had are
    then deleted, and the new manifest is gone by."""
    manifest = read_manifest(folder)
    for _ in range(_MOST_TRIES):
        if manifest is None or manifest.get("format") != PUBLISHED or not (named := {part["file"] for part in _data_of(manifest)}):
            return manifest
        there = listed(folder / "data")
        missing = sorted(named - {f"data/{name}" for name in there}) if there is not None else []
        if not missing:
            return manifest
        before, manifest = manifest, read_manifest(folder)
        if manifest == before:
            raise ThreshflowError(
                f"{folder} misses {len(missing)} of the {len(named)} parts that its manifest names, such as {missing[0]}: run again what published "
                "there; it sends them anew"
            )
    raise ThreshflowError(f"{folder} was published anew {_MOST_TRIES} times while it was opened: wait until that ends, and open the set again")


class Pictures(Reader[Kept]):
    """Kept rows, in the order in which they are published: shard by shard, and in each as the shard has them. See `pictures`."""

    def __init__(self, parts: Parts, places: dict[str, Place], verify: bool) -> None:
        self._parts, self._places, self._verify = parts, places, verify
        self._pieces = OpenPieces()
        self._tars: Lru[str, Tar] = Lru(_MOST_TARS)
        self._ends: Lru[str, dict[str, tuple[int, int]]] = Lru(_MOST_TARS)

    def __reduce__(self) -> tuple[type[Pictures], tuple[Parts, dict[str, Place], bool]]:
        return Pictures, (self._parts, self._places, self._verify)

    def __repr__(self) -> str:
        return f"<threshflow.Pictures: {len(self)} rows of {len(self._parts.parts)} shards>"

    def __len__(self) -> int:
        return len(self._parts)

    def _row(self, number: int) -> dict[str, Any]:
        return self._parts.row(number)

    def _item(self, number: int) -> Kept:
        row = self._parts.row(number)
        name = row["picture"]
        place = self._places.get(row["shard"])
        if place is None:
            raise ThreshflowError(f"the store does not know where the shard {row['shard']!r} lies; {_WHERE}")
        data = self._bytes(row, place)
        if self._verify:
            self._hold(row, place, data)
        return Kept(row["key"], row["shard"], Picture(name, data), row)

    def _bytes(self, row: dict[str, Any], place: Place) -> bytes:
        if place.folder is not None:
            return _loose(row, place.folder, row["picture"])
        tar = self._tar(row["shard"], place)
        data = tar.read(row["offset"], row["length"], self._pieces)
        if len(data) != row["length"]:
            raise ThreshflowError(
                f"{', '.join(place.pieces)}: {row['picture']} lies at byte {row['offset']} with {row['length']} bytes, and the tar has "
                f"{tar.size(self._pieces)} bytes: it was cut, or is another; {_WHERE}"
            )
        return data

    def _tar(self, shard: str, place: Place) -> Tar:
        paths = [located(piece) for piece in place.pieces]
        return self._tars.get(shard, lambda: Tar(", ".join(place.pieces), paths, _WHERE))

    def _hold(self, row: dict[str, Any], place: Place, data: bytes) -> None:
        """Holds a picture against what was published of it."""
        found, published = hash_of(data), row["content"]
        if found == published:
            return
        # Of a sample with a second frame, the hash is one of both frames.
        end = self._end_frame(row, place)
        if end is not None:
            both = hash_of(b"frames" + bytes.fromhex(found) + bytes.fromhex(hash_of(end)))
            if both == published:
                return
        where = place.folder if place.folder is not None else ", ".join(place.pieces)
        raise ThreshflowError(
            f"{where}: {row['picture']} is not the picture that was published: its hash is {found}, and {published} was published; the shard "
            "changed since: run again to publish it as it is now, or name a folder with the shards as they were (shards=FOLDER)"
        )

    def _end_frame(self, row: dict[str, Any], place: Place) -> bytes | None:
        """The second frame of a sample, if it has one: KEY.end.jpg beside KEY.jpg."""
        if place.folder is not None:
            names = (f"{row['key']}.end.{extension}" for extension in _EXTENSIONS)
            there = [name for name in names if (Path(place.folder) / name).is_file()]
            return _loose(row, place.folder, there[0]) if there else None
        tar = self._tar(row["shard"], place)
        ends = self._ends.get(row["shard"], lambda: self._end_frames(tar))
        lies = ends.get(row["key"])
        return None if lies is None else tar.read(*lies, self._pieces)

    def _end_frames(self, tar: Tar) -> dict[str, tuple[int, int]]:
        """The places and lengths of all second frames in a tar, by key."""
        found = {}
        # Of a damaged tar, what stands before the damage was published.
        for member in tar.files(self._pieces, whole=False):
            path = path_in_tar(member.name)
            key, _, extension = path.rpartition(".")
            if extension.lower() in _EXTENSIONS and key.lower().endswith(".end"):
                found[key[: -len(".end")]] = (member.offset_data, member.size)
        return found


def _loose(row: dict[str, Any], folder: str, name: str) -> bytes:
    path = Path(folder) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ThreshflowError(f"{path} cannot be read: {error}; {_WHERE}") from error
    if name == row["picture"] and len(data) != row["length"]:
        raise ThreshflowError(
            f"{path} has {len(data)} bytes, and {row['length']} were published: it changed since; run again to publish it as it is now"
        )
    return data
