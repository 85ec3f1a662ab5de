"""`pairs`: the edits of a released folder, with the pictures of every turn."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ._errors import ThreshflowError
from ._items import Pair, Picture, Turn
from ._lock import is_marked, without_writer
from ._look import Look
from ._parts import Part, Parts, no_groups, no_pieces
from ._program import run
from ._reader import Reader
from ._remote import RemotePiece, Url, Where, look_at, on_disk, where
from ._sealed import PUBLISHED, RELEASED, hash_of_file, read_manifest
from ._tars import Files, FilesOnTheWay, OpenPieces, Tar, pieces_in_order

_PIECE_BYTES = 20_000_000_000
"""Where `release` cuts tars if nobody says otherwise."""
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
    read. `store` is the run's store (where it is not named: `store` beside `out`). Only what changed since the last release is written. A
    release that is there keeps its form: pictures in rows (`--embed`), or tars in pieces of the size that they have (`--piece-bytes`).

    Sizes of files are always held against the manifest, and parquet files against their hashes. With `verify`, tars are held
    against theirs, too, each when it is first needed: a second for each few gigabytes. A folder without a manifest has nothing to be held against.
    Of a folder that `release --embed` wrote, the pictures are read from the rows.

    `folder` may be a release in a bucket, such as `s3://BUCKET/released`: pictures are read by ranges, and parquet files with pictures are held
    against their hashes only with `verify`. `to` may be in a bucket, too. Of a set that a run published to a bucket, `store` and `to` are named.

    Raises `ThreshflowError` where the folder is none of these, where it is being written or its release was broken off, or where the release
    fails.
    """
    place = where(folder)
    manifest = read_manifest(place)
    if manifest is not None and manifest.get("format") == PUBLISHED:
        place = _released(place, store, to)
    elif store is not None or to is not None:
        raise ThreshflowError(f"{place} is no folder that a run published to, and only of such a one are `store` and `to` asked for")
    # A release in a bucket shows by its manifest alone whether it is whole, and while it is written over, that names no scores.
    with without_writer(place) if isinstance(place, Path) else nullcontext():
        return _open(place, verify)


def _released(out: Where, store: str | os.PathLike[str] | None, to: str | os.PathLike[str] | None) -> Where:
    """Lets the program release the edits of a run, and says where to."""
    if isinstance(out, Url) and (store is None or to is None):
        raise ThreshflowError(
            f"{out} is what a run published, and the pictures of its edits are in the store of that run: name both that and a folder to release to, "
            f"here or in a bucket (store=FOLDER, to=FOLDER), or run `threshflow release --store FOLDER --out {out} --to FOLDER` where the store is, and "
            "open the folder of --to"
        )
    beside = Path(os.path.abspath(out))
    used = on_disk(store) if store is not None else beside.with_name("store")
    released = where(to) if to is not None else beside.with_name(f"{beside.name}-released")
    run("imgedit", "release", "--store", used, "--out", out, "--to", released, *_form_of(released))
    return released


def _form_of(place: Where) -> list[str]:
    """The options of `release` by which a release that is there keeps its form."""
    manifest = read_manifest(place)
    if manifest is None or manifest.get("format") != RELEASED:
        return []
    tars = [[file["bytes"] for file in part["files"] if not file["path"].endswith(".parquet")] for part in manifest["parts"]]
    if tars and not any(tars):
        return ["--embed"]
    # All pieces of a tar but the last have the size that was asked for.
    sizes = {size for tar in tars for size in tar[:-1]} or {_PIECE_BYTES}
    told = all(tars) and len(sizes) == 1 and all(size <= min(sizes) for tar in tars for size in tar)
    if told and (tars or not _broken_off(place, manifest)):
        return [] if sizes == {_PIECE_BYTES} else ["--piece-bytes", str(min(sizes))]
    raise ThreshflowError(
        f"{place} holds a release, and its manifest does not tell with which options it was written (--embed, --piece-bytes); so that it stays as "
        f"it is, run `threshflow release --to {place}` yourself with those, and then open {place}"
    )


def _broken_off(place: Where, manifest: dict[str, Any]) -> str | None:
    """By what it is seen that a release to this folder was broken off."""
    # While files are replaced, the manifest names only what stays, and no scores.
    if manifest.get("scores") is None:
        return "its manifest names only what stays"
    return ".writing was left behind" if isinstance(place, Path) and (place / ".writing").exists() else None


def _open(place: Where, verify: bool) -> Pairs:
    manifest = read_manifest(place)
    broken_off = None
    if manifest is not None and manifest.get("format") == RELEASED:
        broken_off = _broken_off(place, manifest)
        if broken_off is None:
            return _of_manifest(place, manifest, verify)
    elif manifest is None and isinstance(place, Path) and is_marked(place):
        broken_off = "it has a .lock and no manifest.json"
    if broken_off is not None and isinstance(place, Url):
        raise ThreshflowError(
            f"{place} is no whole release: it is being written, or that was broken off ({broken_off}); wait until it ends, or run "
            "`threshflow release` again, with the options that it had"
        )
    if broken_off is not None:
        raise ThreshflowError(
            f"{place} is no whole release: it was broken off ({broken_off}); run `threshflow release` again, with the options that it had"
        )
    if manifest is None and isinstance(place, Path) and (place / "Parquet").is_dir():
        return _of_download(place)
    if isinstance(place, Url):
        raise ThreshflowError(
            f"{place} has no edit pairs: it has no manifest.json of a run or of a release; name the URL of --to (a download in ImgEdit's layout, "
            "which has no manifest, is read from a folder on this machine: copy it there)"
        )
    raise ThreshflowError(
        f"{place} has no edit pairs: it has neither the manifest.json of a run or of a release, nor a folder Parquet/ as ImgEdit has it; name "
        "the folder of --out or of --to"
    )


def _of_manifest(place: Where, manifest: dict[str, Any], verify: bool) -> Pairs:
    parts, tars, details = [], {}, []
    check = _Check(place, _files_of(place, manifest), verify)
    for part in manifest["parts"]:
        name = part["part"]
        parquet = next(file for file in part["files"] if file["path"].endswith(".parquet"))
        pieces = [place / file["path"] for file in part["files"] if file is not parquet]
        # With the pictures in a bucket it is not read whole, unless that is wanted: the check knows its length.
        is_ranged = isinstance(place, Url) and not pieces and not verify
        parts.append(_part(place, parquet, name, part["edits"], by_hash=not is_ranged))
        if not pieces:
            # `release --embed`: the pictures are in the rows.
            continue
        tars[name] = Tar(f"the tar of {place / name}", pieces, _AGAIN, check)
    for detail in manifest["details"]:
        edits = sum(part["edits"] for part in manifest["parts"] if part["edit_type"] == detail["edit_type"])
        details.append(_part(place, detail["file"], detail["edit_type"], edits))
    shared = no_groups(), no_pieces()
    return Pairs(Parts(parts, _AGAIN, *shared, check), tars, {part.name: Parts([part], _AGAIN, *shared) for part in details})


def _files_of(place: Where, manifest: dict[str, Any]) -> dict[Where, tuple[int, str]]:
    """The files of the parts, each with its length and its hash."""
    return {place / file["path"]: (file["bytes"], file["hash"]) for part in manifest["parts"] for file in part["files"]}


def _part(place: Where, file: dict[str, Any], name: str, rows: int, by_hash: bool = True) -> Part:
    return Part(place / file["path"], name, rows, file["bytes"], file["hash"] if by_hash else None)


def _of_download(place: Path) -> Pairs:
    parts, tars = [], {}
    whole, split = _tars_below(place)
    for path in sorted((place / "Parquet").rglob("*.parquet"), key=_by_number):
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            raise ThreshflowError(f"{path} cannot be read: {error}; get the file again") from error
        parts.append(Part(path, path.stem, rows))
        pieces = whole.get(path.stem, [])[:1] or pieces_in_order(split.get(path.stem, []))
        tars[path.stem] = Tar(f"the tar of {place / path.stem}", pieces, _AGAIN)
    return Pairs(Parts(parts, _AGAIN), tars, {})


def _tars_below(place: Path) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """The tars in one piece, and the pieces of the others, by name."""
    whole: dict[str, list[Path]] = {}
    split: dict[str, list[Path]] = {}
    for path in sorted(place.rglob("*.tar*")):
        name, is_piece, _ = path.name.rpartition(".tar.split.")
        if is_piece:
            split.setdefault(name, []).append(path)
        elif path.suffix == ".tar":
            whole.setdefault(path.stem, []).append(path)
    return whole, split


def _by_number(path: Path) -> list[str | int]:
    """`add_part10` comes after `add_part9`."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", str(path))]


class _Check:
    """Holds a file against the manifest: its length, and its hash where that is wanted."""

    def __init__(self, place: Where, files: dict[Where, tuple[int, str]], by_hash: bool) -> None:
        self._place, self._files, self._by_hash = place, files, by_hash
        self._manifest: Look | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_manifest": None}

    def __call__(self, path: Where, piece: RemotePiece | None = None) -> None:
        wanted_length, wanted_hash = self._files[path]
        try:
            self._is_still_named(path)
            length = look_at(path)[0] if piece is None else piece.look[0]
            file = Path(path) if piece is None else piece
            found = hash_of_file(file) if self._by_hash and length == wanted_length else None
        except OSError as error:
            raise ThreshflowError(f"{path} cannot be read: {error}; {_AGAIN}") from error
        if length != wanted_length:
            raise ThreshflowError(f"{path} has {length} bytes, and {wanted_length} were written; {_AGAIN}")
        if found is not None and found != wanted_hash:
            raise ThreshflowError(f"{path} has the hash {found}, and {wanted_hash} was written; {_AGAIN}")

    def _is_still_named(self, path: Where) -> None:
        """A release takes a file out of the manifest before it replaces it: the new one may be as long as the old one."""
        look = look_at(self._place / "manifest.json")
        if look == self._manifest:
            return
        manifest = read_manifest(self._place)
        is_released = manifest is not None and manifest.get("format") == RELEASED
        named = _files_of(self._place, manifest) if manifest is not None and is_released else {}
        if named.get(path) != self._files[path]:
            raise ThreshflowError(
                f"{path} changed while the set was open: the manifest no longer names it with {self._files[path][0]} bytes and the hash "
                f"{self._files[path][1]}; open the set again"
            )
        if named == self._files:
            self._manifest = look


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
        self._files: dict[str, Files | FilesOnTheWay] = {}

    def __reduce__(self) -> tuple[type[Pairs], tuple[Parts, dict[str, Tar], dict[str, Parts]]]:
        return Pairs, (self._parts, self._tars, self._details)

    def __repr__(self) -> str:
        return f"<threshflow.Pairs: {len(self)} edits of {len(self._parts.parts)} parts>"

    def __len__(self) -> int:
        return len(self._parts)

    def _row(self, number: int) -> dict[str, Any]:
        row, details = self._found(number, pictures=False)
        part, _ = self._parts.place(number)
        turns = [
            {"prompt": turn["prompt"], **{side: [_path(shown) for shown in turn[side]] for side in ("input_images", "output_images")}}
            for turn in _turns(row)
        ]
        return {"edit_type": _type_of(part.name), "part": part.name, "turns": turns, "details": details}

    def _found(self, number: int, pictures: bool = True) -> tuple[dict[str, Any], dict[str, Any] | None]:
        part, within = self._parts.place(number)
        row = self._parts.row(number, pictures)
        return row, self._detail(part, within, row)

    def _item(self, number: int) -> Pair:
        part, _ = self._parts.place(number)
        if part.name not in self._tars:
            return self._item_of_rows(number, part.name)
        row = self._row(number)
        tar = self._tars[row["part"]]
        turns = [self._turn(tar, row["part"], turn) for turn in row["turns"]]
        # ImgEdit's layout names no mask; ours lies beside the results, and details name it.
        details, beside = row["details"], PurePosixPath(row["turns"][0]["output_images"][0]).with_name("mask.png")
        if tar.is_remote and details is not None and "mask_image" in details:
            # In a store, to look for what is not there costs all headers behind.
            named = details["mask_image"]
            mask = None if named is None else self._picture(tar, row["part"], named)
        else:
            mask = self._picture(tar, row["part"], str(beside), may_be_absent=True)
        return Pair(row["edit_type"], row["part"], tuple(turns), mask, details)

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
            files = FilesOnTheWay(tar, self._pieces) if tar.is_remote else Files(tar, self._pieces)
            files = self._files.setdefault(part, files)
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
