"""`threshflow.pictures` against the shards as tarfile and plain slices read them, and against `threshflow export`."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zlib
from pathlib import Path

import pytest
from conftest import Run, as_jpeg, run, small
from oracle import files_of, joined, published_rows
from PIL import Image

import threshflow
from threshflow import ThreshflowError


def flip(path: Path, at: int) -> None:
    """Changes a byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_every_kept_row_comes_with_its_file(demo: Run) -> None:
    rows = published_rows(demo.out)
    tars = {shard: joined(demo.shards, shard) for shard in {row["shard"] for row in rows}}
    files = {shard: files_of(tar) for shard, tar in tars.items()}
    kept = threshflow.pictures(demo.out)
    assert len(kept) == len(rows) > 50
    assert {row["shard"] for row in rows} >= {"00000", "00002"} and not (demo.shards / "00002.tar").exists()
    for mine, row in zip(kept, rows, strict=True):
        assert mine.row == row
        assert (mine.key, mine.shard, mine.picture.name) == (row["key"], row["shard"], row["picture"])
        assert mine.picture.data == tars[row["shard"]][row["offset"] :][: row["length"]]
        assert mine.picture.data == files[row["shard"]][row["picture"]]


def test_they_are_what_export_copies(demo: Run, tmp_path: Path) -> None:
    run("prepare", "export", "--store", demo.store, "--out", demo.out, "--to", tmp_path / "tars")
    exported: dict[str, bytes] = {}
    for tar in (tmp_path / "tars").rglob("*.tar"):
        exported |= files_of(tar.read_bytes())
    kept = list(threshflow.pictures(demo.out))
    pictures = {name for name in exported if not name.endswith((".json", ".txt", ".demonstration"))}
    assert {each.picture.name for each in kept} == pictures
    assert all(each.picture.data == exported[each.picture.name] for each in kept)


def test_rows_are_read_by_number_in_any_order(demo: Run) -> None:
    kept = threshflow.pictures(demo.out)
    in_order = list(kept)
    for number in (len(kept) - 1, 0, len(kept) // 2, 1):
        assert kept[number] == in_order[number]
        assert kept.row(number) == in_order[number].row
    assert kept[-1] == in_order[-1]
    for number in (len(kept), -len(kept) - 1):
        with pytest.raises(IndexError, match=f"there are {len(kept)} items"):
            kept[number]
    with pytest.raises(TypeError):
        kept["0"]  # type: ignore[index]


def test_few_groups_and_files_are_in_memory(demo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import threshflow._parts
    import threshflow._tars

    # Less than a row group: one is held.
    monkeypatch.setattr(threshflow._parts, "MOST_BYTES", 1)
    monkeypatch.setattr(threshflow._tars, "MOST_OPEN", 2)
    kept = threshflow.pictures(demo.out)
    rows = published_rows(demo.out)
    for number in [*range(0, len(kept), 7), *reversed(range(0, len(kept), 5))]:
        assert kept[number].row == rows[number]
    assert len(kept._parts._groups) == 1
    assert len(kept._pieces._pieces) == 2


def test_a_picture_decodes_as_pillow_decodes_the_file(demo: Run) -> None:
    kept = threshflow.pictures(demo.out)[0]
    shown = kept.picture.image()
    assert shown.size == (kept.row["width"], kept.row["height"])
    assert shown.tobytes() == Image.open(io.BytesIO(kept.picture.data)).tobytes()


def test_a_picture_is_turned_upright() -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(file, "JPEG", exif=exif)
    assert threshflow.Picture("lying.jpg", file.getvalue()).image().size == (4, 8)


def test_a_film_is_held_against_both_frames(edits: Run, tmp_path: Path) -> None:
    files = files_of(joined(edits.shards, "films"))
    [film] = [kept for kept in threshflow.pictures(edits.out) if kept.key == "film"]
    assert film.picture.data == files["film.jpg"]
    # Another second frame is another sample, although the picture is the same.
    copy = edits.copy(tmp_path)
    tar = copy.shards / "films.tar"
    flip(tar, tar.read_bytes().index(files["film.end.jpg"]) + 300)
    changed = threshflow.pictures(copy.out, shards=copy.shards)
    with pytest.raises(ThreshflowError, match="film.jpg is not the picture that was published"):
        list(changed)
    assert len(list(threshflow.pictures(copy.out, shards=copy.shards, verify=False))) == len(changed)


def test_pictures_that_lie_loose(demo: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    for name, row in zip(("a.jpg", "cats/b.jpg", "cats/c.jpg"), published_rows(demo.out), strict=False):
        (folder / name).write_bytes(as_jpeg(small(row, demo)))
    (folder / "cats" / "c.end.jpg").write_bytes((folder / "a.jpg").read_bytes())
    run(
        *("prepare", "run", "--pictures", folder, "--store", tmp_path / "store", "--out", tmp_path / "out"),
        *("--aesthetic", demo.shards.with_name("aesthetic"), "--set", "short_side=10", "--set", "aesthetic=0"),
    )
    kept = list(threshflow.pictures(tmp_path / "out"))
    assert [each.key for each in kept] == ["a", "cats/b", "cats/c"]
    assert all(each.picture.data == (folder / each.picture.name).read_bytes() for each in kept)
    moved = tmp_path / "moved"
    moved.mkdir()
    folder.rename(moved / "photos")
    with pytest.raises(ThreshflowError, match=r"photos/a\.jpg cannot be read.*shards=FOLDER"):
        threshflow.pictures(tmp_path / "out")[0]
    assert list(threshflow.pictures(tmp_path / "out", shards=moved)) == kept
    (moved / "photos" / "a.jpg").write_bytes(b"short")
    with pytest.raises(ThreshflowError, match=r"a\.jpg has 5 bytes, and \d+ were published"):
        threshflow.pictures(tmp_path / "out", shards=moved)[0]


def test_shards_that_moved_are_named_by_their_folder(edits: Run, tmp_path: Path) -> None:
    kept = list(threshflow.pictures(edits.out))
    # In pieces, which cut pictures in two.
    tar = joined(edits.shards, "tiny")
    for number, start in enumerate(range(0, len(tar), 7_000)):
        (tmp_path / f"tiny.tar.split.{number:03}").write_bytes(tar[start : start + 7_000])
    shutil.copy(edits.shards / "films.tar", tmp_path)
    assert list(threshflow.pictures(edits.out, shards=tmp_path)) == kept
    (tmp_path / "films.tar").unlink()
    with pytest.raises(ThreshflowError, match=r"does not hold the shard 'films': there is no films\.tar"):
        threshflow.pictures(edits.out, shards=tmp_path)


def number_in(shard: str, of: Run) -> int:
    """The number of the first row of a shard."""
    return next(number for number, row in enumerate(published_rows(of.out)) if row["shard"] == shard)


def note(of: Run, pieces: list[dict[str, str]]) -> None:
    """Notes in a run's store that the shard `tiny` was seen in these pieces."""
    line = next(line for line in (of.store / "sources.log").read_text().splitlines() if "/tiny.tar" in line)
    seen = json.loads(line.partition("\t")[2])
    text = json.dumps({**seen, "pieces": pieces}).encode()
    with open(of.store / "sources.log", "ab") as log:
        # The last sound line counts: a torn one comes behind it.
        log.write(b"\n%08x\t%s\n\n%08x\t%s\n" % (zlib.crc32(text), text, zlib.crc32(text) ^ 1, text[:-9]))


def moved_store(edits: Run, to: Path, place: str) -> Run:
    """A copy of a run whose store has a shard at another place."""
    copy = edits.copy(to)
    note(copy, [{"Ok": place}])
    return copy


def test_a_tar_that_is_gone_is_named(edits: Run, tmp_path: Path) -> None:
    copy = moved_store(edits, tmp_path, str(tmp_path / "gone.tar"))
    kept = threshflow.pictures(copy.out)
    with pytest.raises(ThreshflowError, match=r"gone\.tar cannot be read: .*run again where the shards lie now, or name the folder"):
        kept[number_in("tiny", edits)]
    shutil.copy(copy.shards / "tiny.tar", tmp_path / "gone.tar")
    assert list(threshflow.pictures(copy.out)) == list(threshflow.pictures(edits.out))


def test_what_lies_where_nothing_reads_it_is_refused(edits: Run, tmp_path: Path) -> None:
    # What reads buckets is tested with a server: test_remote.py.
    copy = moved_store(edits, tmp_path, "ark://bucket/tiny.tar")
    number = number_in("tiny", edits)
    with pytest.raises(ThreshflowError, match=r"ark://bucket/tiny\.tar: Protocol not known.*copy it to a folder on this machine"):
        threshflow.pictures(copy.out)[number]
    assert threshflow.pictures(copy.out, shards=copy.shards)[number] == threshflow.pictures(edits.out)[number]


def test_a_tar_that_was_cut_or_changed_is_named(edits: Run, tmp_path: Path) -> None:
    copy = edits.copy(tmp_path)
    number = number_in("tiny", edits)
    tar, first = copy.shards / "tiny.tar", threshflow.pictures(edits.out).row(number)
    whole = tar.read_bytes()
    flip(tar, first["offset"] + first["length"] // 2)
    with pytest.raises(ThreshflowError, match=f"{first['picture']} is not the picture that was published.*run again"):
        threshflow.pictures(copy.out, shards=copy.shards)[number]
    unread = threshflow.pictures(copy.out, shards=copy.shards, verify=False)[number].picture.data
    assert unread != whole[first["offset"] :][: first["length"]] and len(unread) == first["length"]
    tar.write_bytes(whole[: first["offset"] + 10])
    with pytest.raises(ThreshflowError, match=f"has {first['offset'] + 10} bytes: it was cut"):
        threshflow.pictures(copy.out, shards=copy.shards)[number]


def test_a_tar_that_is_cut_while_it_is_mapped_ends_nothing(edits: Run, tmp_path: Path) -> None:
    copy = edits.copy(tmp_path)
    kept = threshflow.pictures(copy.out, shards=copy.shards)
    number = number_in("tiny", edits)
    assert kept[number].picture.data
    with open(copy.shards / "tiny.tar", "r+b") as tar:
        tar.truncate(512)
    with pytest.raises(ThreshflowError, match=r"tiny\.tar changed while the set was open"):
        kept[number + 1]


def test_a_part_or_a_manifest_that_is_not_whole_is_named(edits: Run, tmp_path: Path) -> None:
    copy = edits.copy(tmp_path)
    [part] = (copy.out / "data").glob("films-*.parquet")
    flip(part, part.stat().st_size // 2)
    with pytest.raises(ThreshflowError, match=r"\.parquet is not what was published.*threshflow verify"):
        list(threshflow.pictures(copy.out))
    part.unlink()
    with pytest.raises(ThreshflowError, match="cannot be read.*open the set again"):
        list(threshflow.pictures(copy.out))
    # A digit: what it says is still JSON.
    manifest = copy.out / "manifest.json"
    flip(manifest, manifest.read_bytes().index(b'"rows": ') + len(b'"rows": '))
    json.loads(manifest.read_text())
    with pytest.raises(ThreshflowError, match=r"manifest\.json is damaged"):
        threshflow.pictures(copy.out)


def test_what_is_no_published_set_is_refused(edits: Run, released: Path, tmp_path: Path) -> None:
    with pytest.raises(ThreshflowError, match="is no folder that a run published to: it has no manifest.json; name the folder of --out"):
        threshflow.pictures(tmp_path)
    with pytest.raises(ThreshflowError, match=r"threshflow\.pairs reads it"):
        threshflow.pictures(released)
    with pytest.raises(ThreshflowError, match=r"is no store: it has no store\.json; name the store"):
        threshflow.pictures(edits.out, store=tmp_path)


def test_a_tar_without_its_last_piece_gives_what_is_before(edits: Run, tmp_path: Path) -> None:
    tar, copy = joined(edits.shards, "tiny"), edits.copy(tmp_path)
    (tmp_path / "tiny.tar.split.000").write_bytes(tar[:30_000])
    (tmp_path / "tiny.tar.split.001").write_bytes(tar[30_000:])
    pieces = [{"Ok": f"{tmp_path}/tiny.tar.split.000"}, {"Ok": f"{tmp_path}/tiny.tar.split.001"}, {"Err": f"{tmp_path}/tiny.tar.split.002"}]
    note(copy, pieces)
    assert list(threshflow.pictures(copy.out)) == list(threshflow.pictures(edits.out))
    note(copy, pieces[2:])
    # That knows of no piece: what was noted before holds.
    assert list(threshflow.pictures(copy.out)) == list(threshflow.pictures(edits.out))


def test_every_segment_of_a_store_knows_shards(edits: Run, tmp_path: Path) -> None:
    copy = edits.copy(tmp_path)
    (copy.store / "segments" / "0001").mkdir(parents=True)
    (copy.store / "sources.log").rename(copy.store / "segments" / "0001" / "sources.log")
    assert list(threshflow.pictures(copy.out)) == list(threshflow.pictures(edits.out))
    (copy.store / "segments" / "0001" / "sources.log").unlink()
    with pytest.raises(ThreshflowError, match="does not know where the shard 'films' lies; run again"):
        threshflow.pictures(copy.out)[0]


def test_a_pickle_has_no_open_files(edits: Run) -> None:
    kept = threshflow.pictures(edits.out)
    before = pickle.dumps(kept)
    items = list(kept)
    assert pickle.dumps(kept) == before, "what was read went into the pickle"
    assert list(pickle.loads(before)) == items
