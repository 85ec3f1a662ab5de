"""`pairs`: the edits of a released folder, with the pictures of every turn."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ._errors import ThreshflowError
from ._items import Pair, Picture, Turn
from ._parts import Part, Parts
from ._program import run
from ._reader import Reader
from ._sealed import PUBLISHED, RELEASED, hash_of_file, read_manifest
from ._tars import Files, OpenPieces, Tar

_AGAIN = "open the set again if it was released anew; else run `threshflow release` again, or get the files again"
_PART = re.compile(r"(?P<type>\w+?)(_part\d+)?")


def pairs(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str] | None = None,
    *,
    to: str | os.PathLike[str] | None = None,
    verify: bool = False,
) -> Pairs:
    """The edit pairs of a folder that `threshflow release` wrote, of a download in ImgEdit's layout, or of the folder of a run.

    The pictures of a run's edits are in its store, in a form of the program's own. So where `folder` is the folder `out` that a run
    published to, the program releases them first, to the folder `to` (where it is not named: `out-released` beside `out`), and that is
    read. `store` is the run's store (where it is not named: `store` beside `out`). Only what changed since the last release is written.

    Sizes of files are always held against the manifest, and parquet files against their hashes. With `verify`, tars are held
    against theirs, too, each when it is first needed: a second for each few gigabytes. A folder without a manifest has nothing to be held against.
    Of a folder that `release --embed` wrote, the pictures are read from the rows; some 128 MiB of them are in memory at once.

    Raises `ThreshflowError` where the folder is none of these, or where the release fails.
    """
    place = Path(folder)
    manifest = read_manifest(place)
    if manifest is not None and manifest.get("format") == PUBLISHED:
        beside = Path(os.path.abspath(place))
        used = Path(store) if store is not None else beside.with_name("store")
        released = Path(to) if to is not None else beside.with_name(f"{beside.name}-released")
        run("imgedit", "release", "--store", used, "--out", place, "--to", released)
        place, manifest = released, read_manifest(released)
    elif store is not None or to is not None:
        raise ThreshflowError(f"{place} is no folder that a run published to, and only of such a one are `store` and `to` asked for")
    if manifest is not None and manifest.get("format") == RELEASED:
        return _of_manifest(place, manifest, verify)
    if manifest is None and (place / "Parquet").is_dir():
        return _of_download(place)
    raise ThreshflowError(
        f"{place} has no edit pairs: it has neither the manifest.json of a run or of a release, nor a folder Parquet/ as ImgEdit has it; name "
        "the folder of --out or of --to"
    )


def _of_manifest(place: Path, manifest: dict[str, Any], verify: bool) -> Pairs:
    parts, tars, details = [], {}, []
    named = {file["path"]: file for part in manifest["parts"] for file in part["files"]}
    named |= {detail["file"]["path"]: detail["file"] for detail in manifest["details"]}
    for part in manifest["parts"]:
        name, paths = part["part"], [file["path"] for file in part["files"]]
        parquet = next(path for path in paths if path.endswith(".parquet"))
        pieces = [place / path for path in paths if path != parquet]
        checks = {place / path: named[path] for path in paths}
        parts.append(_part(place, named[parquet], name, part["edits"]))
        if not pieces:
            # `release --embed`: the pictures are in the rows.
            continue
        tars[name] = Tar(f"the tar of {place / name}", pieces, _AGAIN, _Check(checks, verify))
    for detail in manifest["details"]:
        edits = sum(part["edits"] for part in manifest["parts"] if part["edit_type"] == detail["edit_type"])
        details.append(_part(place, detail["file"], detail["edit_type"], edits))
    return Pairs(Parts(parts, _AGAIN), tars, {part.name: Parts([part], _AGAIN) for part in details})


def _part(place: Path, file: dict[str, Any], name: str, rows: int) -> Part:
    return Part(place / file["path"], name, rows, file["bytes"], file["hash"])


def _of_download(place: Path) -> Pairs:
    parts, tars = [], {}
    for path in sorted((place / "Parquet").rglob("*.parquet"), key=_by_number):
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            raise ThreshflowError(f"{path} cannot be read: {error}; get the file again") from error
        parts.append(Part(path, path.stem, rows))
        tar = f"{path.stem}.tar"
        pieces = [found for found in place.rglob(f"{tar}*") if found.name == tar or found.name.startswith(f"{tar}.split.")]
        tars[path.stem] = Tar(f"the tar of {place / path.stem}", sorted(pieces), _AGAIN)
    return Pairs(Parts(parts, _AGAIN), tars, {})


def _by_number(path: Path) -> list[str | int]:
    """`add_part10` comes after `add_part9`."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", str(path))]


class _Check:
    """Holds a file against the manifest: its length, and its hash where that is wanted."""

    def __init__(self, files: dict[Path, dict[str, Any]], by_hash: bool) -> None:
        self._files, self._by_hash = files, by_hash

    def __call__(self, path: Path) -> None:
        told = self._files[path]
        try:
            length = path.stat().st_size
            found = hash_of_file(path) if self._by_hash and length == told["bytes"] else None
        except OSError as error:
            raise ThreshflowError(f"{path} cannot be read: {error}; {_AGAIN}") from error
        if length != told["bytes"]:
            raise ThreshflowError(f"{path} has {length} bytes, and {told['bytes']} were written; {_AGAIN}")
        if found is not None and found != told["hash"]:
            raise ThreshflowError(f"{path} has the hash {found}, and {told['hash']} was written; {_AGAIN}")


class Pairs(Reader[Pair]):
    """Edits, in the order in which they are released: by type, and in each shard by shard. See `pairs`."""

    def __init__(self, parts: Parts, tars: dict[str, Tar], details: dict[str, Parts]) -> None:
        self._parts, self._tars, self._details = parts, tars, details
        # Rows of details stand in the order of the parts of their type.
        self._before: dict[str, int] = {}
        counted: dict[str, int] = {}
        for part in parts.parts:
            kind = _type_of(part.name)
            self._before[part.name] = counted.get(kind, 0)
            counted[kind] = counted.get(kind, 0) + part.rows
        self._pieces = OpenPieces()
        # Of every tar that was read: a shuffled reader comes to each again and again.
        self._files: dict[str, Files] = {}

    def __reduce__(self) -> tuple[type[Pairs], tuple[Parts, dict[str, Tar], dict[str, Parts]]]:
        return Pairs, (self._parts, self._tars, self._details)

    def __repr__(self) -> str:
        return f"<threshflow.Pairs: {len(self)} edits of {len(self._parts.parts)} parts>"

    def __len__(self) -> int:
        return len(self._parts)

    def _row(self, number: int) -> dict[str, Any]:
        row, details = self._found(number)
        part, _ = self._parts.place(number)
        turns = [
            {"prompt": turn["prompt"], **{side: [_path(shown) for shown in turn[side]] for side in ("input_images", "output_images")}}
            for turn in _turns(row)
        ]
        return {"edit_type": _type_of(part.name), "part": part.name, "turns": turns, "details": details}

    def _found(self, number: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
        part, within = self._parts.place(number)
        row = self._parts.row(number)
        return row, self._detail(part, within, row)

    def _item(self, number: int) -> Pair:
        part, _ = self._parts.place(number)
        if part.name not in self._tars:
            return self._item_of_rows(number, part.name)
        row = self._row(number)
        tar = self._tars[row["part"]]
        turns = [self._turn(tar, row["part"], turn) for turn in row["turns"]]
        # ImgEdit's layout names no mask; ours lies beside the results.
        beside = PurePosixPath(row["turns"][0]["output_images"][0]).with_name("mask.png")
        mask = self._picture(tar, row["part"], str(beside), may_be_absent=True)
        return Pair(row["edit_type"], row["part"], tuple(turns), mask, row["details"])

    def _item_of_rows(self, number: int, part: str) -> Pair:
        row, details = self._found(number)
        turns = []
        for turn in _turns(row):
            shown, [after] = [_embedded(picture) for picture in turn["input_images"]], turn["output_images"]
            turns.append(Turn(turn["prompt"], shown[0], _embedded(after), shown[1] if len(shown) > 1 else None))
        mask = _embedded(row["mask"]) if row["mask"] else None
        return Pair(_type_of(part), part, tuple(turns), mask, details)

    def _turn(self, tar: Tar, part: str, turn: dict[str, Any]) -> Turn:
        shown = [self._picture(tar, part, path) for path in turn["input_images"]]
        after = self._picture(tar, part, turn["output_images"][0])
        if not shown or shown[0] is None or after is None:
            raise ThreshflowError(f"{part}: an edit has no picture before or after it: {turn}; {_AGAIN}")
        return Turn(turn["prompt"], shown[0], after, shown[1] if len(shown) > 1 else None)

    def _picture(self, tar: Tar, part: str, path: str, may_be_absent: bool = False) -> Picture | None:
        files = self._files.get(part)
        if files is None:
            files = self._files[part] = Files(tar, self._pieces)
        lies = files.find(path)
        if lies is None:
            if may_be_absent:
                return None
            raise ThreshflowError(f"{tar.name} does not hold {path}, which {part}.parquet names; {_AGAIN}")
        return Picture(path, tar.read(*lies, self._pieces))

    def _detail(self, part: Part, within: int, row: dict[str, Any]) -> dict[str, Any] | None:
        details = self._details.get(_type_of(part.name))
        if details is None:
            return None
        detail = details.row(self._before[part.name] + within)
        results = [_path(shown) for turn in _turns(row) for shown in turn["output_images"]]
        if detail["output_images"] != results:
            raise ThreshflowError(
                f"{details.parts[0].path} tells of {detail['output_images']} where {part.path} has {results}; {_AGAIN}"
            )
        return detail


def _turns(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns of a row: ImgEdit's schema of one turn, or its schema of several."""
    turns: list[dict[str, Any]] = row["data"] if "data" in row else [row]
    return turns


def _path(shown: str | dict[str, Any]) -> str:
    """The path of a picture that is named, or that is in its row."""
    return shown if isinstance(shown, str) else str(shown["path"])


def _embedded(shown: dict[str, Any]) -> Picture:
    return Picture(shown["path"], shown["bytes"])


def _type_of(part: str) -> str:
    matched = _PART.fullmatch(part)
    return matched["type"] if matched else part
