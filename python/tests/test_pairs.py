"""`threshflow.pairs` against the released tars as tarfile reads them, and against the shards."""

from __future__ import annotations

import fcntl
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import Run, run
from oracle import files_of, joined, published_rows, released_files
from test_pictures import flip

import threshflow
from threshflow import Pair, ThreshflowError, _parts


def by_type(pairs: threshflow.Pairs) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(pair.edit_type, []).append(pair)
    return found


def test_every_edit_comes_with_the_pictures_of_its_turns(released: Path) -> None:
    files = released_files(released)
    pairs = threshflow.pairs(released)
    rows = {path.stem: pq.read_table(path).to_pylist() for path in (released / "Parquet").iterdir()}
    assert len(pairs) == sum(map(len, rows.values())) > 6
    seen: dict[str, int] = {}
    for pair in pairs:
        row = rows[pair.part][seen.setdefault(pair.part, 0)]
        seen[pair.part] += 1
        turns = row["data"] if "data" in row else [row]
        assert pair.part.startswith(pair.edit_type)
        for turn, told in zip(pair.turns, turns, strict=True):
            assert turn.prompt == told["prompt"] != ""
            shown = [turn.before] + ([turn.reference] if turn.reference else [])
            assert [each.name for each in shown] == told["input_images"]
            assert [turn.after.name] == told["output_images"]
            for picture in [*shown, turn.after]:
                assert picture.data == files[picture.name]
                assert min(picture.image().size) > 100
    # All but what was looked at is a mask or a record.
    named = {picture.name for pair in pairs for turn in pair.turns for picture in (turn.before, turn.after, turn.reference) if picture}
    masks = {pair.mask.name: pair.mask.data for pair in pairs if pair.mask}
    assert {name for name in files if not name.endswith("result.json")} == named | set(masks)
    assert all(data == files[name] for name, data in masks.items())


def test_edits_of_all_kinds_have_what_is_theirs(edits: Run, released: Path) -> None:
    shard = files_of(joined(edits.shards, "tiny")) | files_of(joined(edits.shards, "films"))
    found = by_type(threshflow.pairs(released))
    assert set(found) == {"style", "visual", "version_backtracking", "action"}
    [film] = found["action"]
    assert [film.turns[0].before.data, film.turns[0].after.data] == [shard["film.jpg"], shard["film.end.jpg"]]
    for pair in found["style"]:
        assert pair.turns[0].before.data == shard[f"{pair.details['source_key']}.jpg"]
        assert pair.mask is None and pair.turns[0].reference is None
    for pair in found["visual"]:
        assert pair.turns[0].reference is not None and pair.mask is not None
    for pair in found["version_backtracking"]:
        assert len(pair.turns) == 3
        assert pair.turns[0].after.data == pair.turns[1].before.data


def test_details_are_those_of_the_edit(edits: Run, released: Path) -> None:
    published = {(row["shard"], row["key"], row["edit_type"]): row for row in published_rows(edits.out, "edits")}
    pairs = threshflow.pairs(released)
    assert len(published) == len(pairs)
    # Rows of one type and of two parts: those of the second stand behind those of the first.
    assert {"style_part1", "style_part2"} <= {pair.part for pair in pairs}
    for pair in pairs:
        details = pair.details
        row = published.pop((details["source_shard"], details["source_key"], pair.edit_type))
        assert details["prompts"] == row["prompts"] == [turn.prompt for turn in pair.turns]
        assert {score["name"]: score["value"] for score in details["scores"]}["follows"] == row["follows"]
    assert pairs.row(0)["details"] == pairs[0].details


def test_pictures_in_rows_are_those_of_the_tars(edits: Run, released: Path, tmp_path: Path) -> None:
    """`release --embed` writes no tars."""
    embedded = tmp_path / "embedded"
    run("release", "--store", edits.store, "--out", edits.out, "--to", embedded, "--embed")
    assert not list(embedded.rglob("*.tar*"))
    pairs, of_tars = threshflow.pairs(embedded), list(threshflow.pairs(released))
    assert len(pairs) == len(of_tars)
    for number, (pair, other) in enumerate(zip(pairs, of_tars, strict=True)):
        assert pair.turns == other.turns and pair.mask == other.mask
        assert (pair.edit_type, pair.part) == (other.edit_type, other.part)
        assert pairs.row(number)["turns"] == [
            {"prompt": turn.prompt, "input_images": names_before(turn), "output_images": [turn.after.name]} for turn in pair.turns
        ]
    assert any(pair.mask for pair in pairs) and any(len(pair.turns) > 1 for pair in pairs)
    assert pickle.loads(pickle.dumps(pairs))[0] == pairs[0]
    # `row` reads no picture.
    fresh = threshflow.pairs(embedded)
    assert [fresh.row(number) for number in range(len(fresh))] == [pairs.row(number) for number in range(len(pairs))]
    smallest = min(len(turn.before.data) for pair in of_tars for turn in pair.turns)
    groups = fresh._parts._groups._kept
    of_parquet = [table for (path, _, _), (table, _) in groups.items() if path.parent.name == "Parquet"]
    assert of_parquet and all(table.nbytes < smallest for table in of_parquet)
    victim = next((embedded / "Parquet").iterdir())
    flip(victim, victim.stat().st_size // 2)
    with pytest.raises(ThreshflowError, match="is not what was published"):
        list(threshflow.pairs(embedded))


def names_before(turn: threshflow.Turn) -> list[str]:
    return [turn.before.name] + ([turn.reference.name] if turn.reference else [])


def test_the_tars_are_in_pieces_and_the_pieces_are_few_in_memory(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threshflow._tars

    monkeypatch.setattr(threshflow._tars, "MOST_OPEN", 2)
    assert len(list(released.rglob("*.tar.split.001"))) > 1
    pairs, files = threshflow.pairs(released, verify=True), released_files(released)
    for number in reversed(range(len(pairs))):
        after = pairs[number].turns[-1].after
        assert after.data == files[after.name]
    assert len(pairs._pieces._pieces) == 2


def test_the_folder_of_a_run_is_released_first(edits: Run, released: Path, tmp_path: Path) -> None:
    copy = edits.copy(tmp_path)
    pairs = threshflow.pairs(copy.out)
    assert list(pairs) == list(threshflow.pairs(released))
    assert (tmp_path / "out-released" / "manifest.json").is_file()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out-released").rglob("*.parquet")}
    assert list(threshflow.pairs(copy.out)) == list(pairs)
    assert {path: path.stat().st_mtime_ns for path in written} == written, "what did not change was written again"
    assert len(threshflow.pairs(copy.out, copy.store, to=tmp_path / "there")) == len(pairs)
    assert (tmp_path / "there" / "manifest.json").is_file()
    with pytest.raises(ThreshflowError, match=r"release .* ended with exit code [12]: .*nowhere"):
        threshflow.pairs(copy.out, tmp_path / "nowhere", to=tmp_path / "other")


def edit_manifest(folder: Path, change: dict[str, Any]) -> None:
    """Changes a manifest, and leaves out its seal."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "sealed": False, **change}))


def all_files(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_release_keeps_its_form(edits: Run, released: Path, tmp_path: Path) -> None:
    embedded, pieces = tmp_path / "embedded", shutil.copytree(released, tmp_path / "pieces")
    run("release", "--store", edits.store, "--out", edits.out, "--to", embedded, "--embed")
    ours = {(pair.part, pair.turns) for pair in threshflow.pairs(released)}
    for there in (embedded, pieces):
        before = {path: look for path, look in all_files(there).items() if not path.name.startswith(".")}
        pairs = threshflow.pairs(edits.out, edits.store, to=there)
        assert {(pair.part, pair.turns) for pair in pairs} == ours
        assert {path: look for path, look in all_files(there).items() if path in before} == before, "what she made was written again"
    # What does not tell of its form stays as it is.
    manifest = json.loads((pieces / "manifest.json").read_text())
    for part in manifest["parts"]:
        part["files"] = [{**file, "bytes": file["bytes"] * 2_000_000} for file in part["files"][-2:]]
    for change in ({"parts": manifest["parts"]}, {"parts": [], "scores": None}):
        edit_manifest(pieces, change)
        before = all_files(pieces)
        with pytest.raises(ThreshflowError, match=r"does not tell with which options it was written.*run `threshflow release --to .*pieces`"):
            threshflow.pairs(edits.out, edits.store, to=pieces)
        assert all_files(pieces) == before


def test_a_release_that_is_being_written_is_refused(released: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(released, tmp_path / "busy")
    with open(folder / ".lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ThreshflowError, match=r"busy is being written: .* holds its \.lock; wait until that ends"):
            threshflow.pairs(folder)
        # Its first release has no manifest yet.
        (folder / "manifest.json").rename(tmp_path / "manifest.json")
        with pytest.raises(ThreshflowError, match="is being written"):
            threshflow.pairs(folder)
    (tmp_path / "manifest.json").rename(folder / "manifest.json")
    pairs = threshflow.pairs(folder)
    with open(folder / ".lock", "rb+") as lock:
        # A set that is open keeps no lock.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert pairs[0]


def test_a_release_that_was_broken_off_is_refused(edits: Run, released: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(released, tmp_path / "broken")
    again = "is no whole release: it was broken off .*run `threshflow release` again"
    (folder / ".writing").mkdir()
    with pytest.raises(ThreshflowError, match=rf"{again}"):
        threshflow.pairs(folder)
    (folder / ".writing").rmdir()
    assert threshflow.pairs(folder)
    # A folder is in the way of a part, which is found when files are put into their places.
    part = folder / "Parquet" / "style_part1.parquet"
    part.unlink()
    (part / "in the way").mkdir(parents=True)
    release = ("release", "--store", edits.store, "--out", edits.out, "--to", folder, "--piece-bytes", "20000")
    with pytest.raises(AssertionError, match=rf"{part.name}"):
        run(*release)
    assert not (folder / ".writing").exists()
    assert 0 < len(json.loads((folder / "manifest.json").read_text())["parts"]) < len(list((folder / "Parquet").iterdir()))
    with pytest.raises(ThreshflowError, match=rf"{again}"):
        threshflow.pairs(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ThreshflowError, match=rf"{again}"):
        threshflow.pairs(folder)
    shutil.rmtree(part)
    run(*release)
    assert list(threshflow.pairs(folder)) == list(threshflow.pairs(released))


def test_a_newer_manifest_is_refused(edits: Run, released: Path, tmp_path: Path) -> None:
    folders = [(shutil.copytree(released, tmp_path / "released"), 3), (edits.copy(tmp_path).out, 1)]
    for (folder, known), read in zip(folders, (threshflow.pairs, threshflow.pictures), strict=True):
        version = json.loads((folder / "manifest.json").read_text())["version"]
        assert version == known, "the package knows the version that the program writes"
        edit_manifest(folder, {"version": version + 1, "sealed": True})
        with pytest.raises(ThreshflowError, match=rf"is of version {version + 1}, .* knows versions up to {version}; update the package"):
            read(folder)
    edit_manifest(tmp_path / "released", {"version": 2})
    assert threshflow.pairs(tmp_path / "released")[0]


def test_a_download_without_a_piece_is_refused(released: Path, tmp_path: Path) -> None:
    download = shutil.copytree(released, tmp_path / "download")
    for name in ("manifest.json", ".lock"):
        (download / name).unlink()
    first = next(path.with_suffix(".000") for path in download.rglob("*.tar.split.001"))
    first.unlink()
    with pytest.raises(ThreshflowError, match=f"{first.name} is missing, and .* is there; get that piece"):
        threshflow.pairs(download)


def test_a_download_has_no_manifest(released: Path, tmp_path: Path) -> None:
    download = shutil.copytree(released, tmp_path / "download")
    ours = {(pair.part, pair.turns, pair.mask) for pair in threshflow.pairs(released)}
    for name in ("manifest.json", "README.md", ".lock"):
        (download / name).unlink()
    shutil.rmtree(download / "Details")
    pairs = threshflow.pairs(download)
    assert {(pair.part, pair.turns, pair.mask) for pair in pairs} == ours
    assert all(pair.details is None for pair in pairs)
    # The chunks joined, as `cat` does.
    [first, *_] = sorted((download / "Multiturn").glob("*.tar.split.000"))
    name = first.name.removesuffix(".tar.split.000")
    whole = joined(first.parent, name)
    for piece in list(first.parent.glob(f"{name}.tar.split.*")):
        piece.unlink()
    with pytest.raises(ThreshflowError, match=f"the tar of .*{name} is not there; .*get the files again"):
        list(threshflow.pairs(download))
    (first.parent / f"{name}.tar").write_bytes(whole)
    assert {(pair.part, pair.turns, pair.mask) for pair in threshflow.pairs(download)} == ours


@pytest.fixture
def damaged(released: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A released folder, and a piece of a tar in it."""
    copy = shutil.copytree(released, tmp_path / "damaged")
    [piece, _] = sorted((copy / "Singleturn").glob("style_part*.tar.split.000"))
    return copy, piece


def test_a_tar_that_is_gone_or_cut_is_named(damaged: tuple[Path, Path]) -> None:
    folder, piece = damaged
    whole = piece.read_bytes()
    piece.write_bytes(whole[:-512])
    with pytest.raises(ThreshflowError, match=rf"{piece.name} has {len(whole) - 512} bytes, and {len(whole)} were written; .*release"):
        list(threshflow.pairs(folder))
    piece.unlink()
    with pytest.raises(ThreshflowError, match=rf"{piece.name} cannot be read: .*release"):
        list(threshflow.pairs(folder))


def test_a_tar_that_changed_is_found_by_its_hash(damaged: tuple[Path, Path]) -> None:
    folder, piece = damaged
    flip(piece, piece.stat().st_size // 2)
    assert list(threshflow.pairs(folder))
    with pytest.raises(ThreshflowError, match=rf"{piece.name} has the hash [0-9a-f]{{32}}, and [0-9a-f]{{32}} was written"):
        list(threshflow.pairs(folder, verify=True))


def test_a_tar_that_is_replaced_while_it_is_read_is_named(damaged: tuple[Path, Path]) -> None:
    folder, piece = damaged
    pairs = threshflow.pairs(folder)
    number = next(at for at, pair in enumerate(pairs) if pair.edit_type == "style")
    assert pairs[number]
    pairs._pieces = type(pairs._pieces)()
    again = piece.with_suffix(".again")
    shutil.copy(piece, again)
    again.rename(piece)
    with pytest.raises(ThreshflowError, match=f"{piece.name} changed while the set was open"):
        pairs[number]


def test_a_damaged_tar_is_not_one_without_a_mask(damaged: tuple[Path, Path]) -> None:
    folder, _ = damaged
    number, pair = next((number, pair) for number, pair in enumerate(threshflow.pairs(folder)) if pair.mask)
    [first] = (folder / "Singleturn").glob(f"{pair.part}.tar.split.000")
    pieces = sorted(first.parent.glob(f"{pair.part}.tar.split.*"))
    at = b"".join(piece.read_bytes() for piece in pieces).index(pair.mask.name.encode())
    for piece in pieces:
        if at < piece.stat().st_size:
            flip(piece, at + 2)
            break
        at -= piece.stat().st_size
    with pytest.raises(ThreshflowError, match=rf"the tar of .*{pair.part} is no whole tar: at byte \d+ .*release"):
        threshflow.pairs(folder)[number]


def test_parts_and_details_that_are_replaced_while_they_are_read_are_named(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One row group at a time.
    monkeypatch.setattr(_parts, "MOST_BYTES", 0)
    folder = shutil.copytree(released, tmp_path / "folder")
    for name in ("Details/style.parquet", "Parquet/style_part1.parquet"):
        pairs = threshflow.pairs(folder)
        style = next(at for at, pair in enumerate(pairs) if pair.part == "style_part1")
        assert pairs[style] and pairs[len(pairs) - 1]
        shutil.copy(folder / name, tmp_path / "again")
        (tmp_path / "again").rename(folder / name)
        with pytest.raises(ThreshflowError, match=f"{name} changed while the set was open"):
            pairs[style]


def test_a_tar_that_is_released_anew_before_it_is_read_is_named(damaged: tuple[Path, Path]) -> None:
    """As long as the old one, of the same names."""
    folder, piece = damaged
    pairs = threshflow.pairs(folder)
    number = next(at for at, pair in enumerate(threshflow.pairs(folder)) if piece.name.startswith(f"{pair.part}."))
    other = next(at for at, pair in enumerate(threshflow.pairs(folder)) if pair.edit_type != "style")
    manifest = json.loads((folder / "manifest.json").read_text())
    for part in manifest["parts"]:
        for file in part["files"]:
            if file["path"].endswith(f"/{piece.name}"):
                flip(piece, 3_000)
                file["hash"] = "0" * 32
    edit_manifest(folder, {"parts": manifest["parts"]})
    assert pairs[other], "that is as it was"
    with pytest.raises(ThreshflowError, match=f"{piece.name} changed while the set was open: .*open the set again"):
        pairs[number]


def test_what_has_no_pairs_is_refused(edits: Run, demo: Run, released: Path, tmp_path: Path) -> None:
    with pytest.raises(ThreshflowError, match="has no edit pairs: it has neither"):
        threshflow.pairs(tmp_path)
    with pytest.raises(ThreshflowError, match="only of such a one are `store` and `to` asked for"):
        threshflow.pairs(released, edits.store)


def test_a_pickle_has_no_open_files(released: Path) -> None:
    pairs = threshflow.pairs(released)
    before = pickle.dumps(pairs)
    items = list(pairs)
    assert pickle.dumps(pairs) == before, "what was read went into the pickle"
    assert list(pickle.loads(before)) == items


def test_a_released_folder_passes_the_programs_own_check(released: Path) -> None:
    run("check", released)
