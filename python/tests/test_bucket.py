"""Sets and releases in a bucket, on a real server of S3: the same as of copies in folders, and by ranges."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
import s3fs
from conftest import BUCKET, MODELS, Bucket, Run, run
from test_pairs import edit_manifest
from test_pictures import flip

import threshflow
from threshflow import ThreshflowError, _parts
from threshflow._sealed import hash_of_file

OUT, EDITS, TARS, ROWS = (f"s3://{BUCKET}/{name}" for name in ("out", "edits", "tars", "rows"))
BLOCK = 64 << 10


@dataclass
class Sets:
    """What is in the bucket, and copies of it in folders: `out`, `edits`, `tars` and `rows`, of which the last two are releases."""

    bucket: Bucket
    copies: Path
    edits: Run

    def requests(self, act: Any) -> tuple[Any, dict[str, Any]]:
        """What `act` gives, and what was asked for it."""
        self.bucket.control("reset", {})
        done = act()
        return done, self.bucket.control("counts", {})

    def put(self, key: str, file: Path) -> None:
        self.bucket.control("put", {"key": key, "file": str(file)})

    def upload(self, prefix: str, folder: Path) -> str:
        self.bucket.control("upload", {"prefix": f"{prefix}/", "folder": str(folder)})
        return f"s3://{BUCKET}/{prefix}"


@pytest.fixture(scope="module")
def sets(bucket: Bucket, edits: Run, tmp_path_factory: pytest.TempPathFactory) -> Sets:
    publish(bucket, "--out", OUT)
    release = ("release", "--store", edits.store, "--out", edits.out)
    run(*release, "--to", TARS, "--piece-bytes", "150000")
    run(*release, "--to", ROWS, "--embed")
    of = Sets(bucket, tmp_path_factory.mktemp("copies"), edits)
    of.upload("edits", edits.out)
    for name in ("out", "edits", "tars", "rows"):
        bucket.control("download", {"prefix": f"{name}/", "folder": str(of.copies / name)})
    return of


def publish(bucket: Bucket, *flags: str) -> None:
    """Another run over the same shards, which asks no model."""
    models = ("--aesthetic", MODELS / "aesthetic", "--max-error-rate", "1")
    run("prepare", "run", "--shards", f"s3://{BUCKET}/laion/", "--store", bucket.store, *models, *flags)


FORKED: list[Any] = []


def in_a_fork(items: Any, number: int) -> Any:
    """What a fork of this process reads: it has what is open here, and none of the connections."""
    FORKED[:] = [items]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply_async(read_in_fork, (number,)).get(30)


def read_in_fork(number: int) -> Any:
    return FORKED[0][number]


@pytest.fixture(autouse=True)
def no_harm(bucket: Bucket) -> Iterator[None]:
    yield
    bucket.control("rules", [])


def test_kept_pictures_are_those_of_a_copy(sets: Sets, demo: Run) -> None:
    here = list(threshflow.pictures(sets.copies / "out", shards=demo.shards))
    there = threshflow.pictures(f"{OUT}/", sets.bucket.store)
    assert len(there) == len(here) > 50
    assert [there.row(number) for number in range(len(here))] == [each.row for each in here]
    assert [there[number] for number in range(0, len(here), 4)] == here[::4]
    for out, shards in ((OUT, demo.shards), (OUT, f"s3://{BUCKET}/laion/"), (sets.copies / "out", f"s3://{BUCKET}/laion")):
        kept = threshflow.pictures(out, shards=shards)
        assert [kept[number] for number in range(0, len(here), 9)] == here[::9]
    assert pickle.loads(pickle.dumps(there))[-1] == here[-1]
    assert in_a_fork(there, 1) == here[1]


def test_of_a_set_its_manifest_and_the_parts_that_are_read_are_fetched(sets: Sets) -> None:
    parts = json.loads((sets.copies / "out" / "manifest.json").read_text())["parts"]
    length = {part["shard"]: part["bytes"] for part in parts if part["kind"] == "data"}
    kept, asked = sets.requests(lambda: threshflow.pictures(OUT, sets.bucket.store))
    assert asked["bytes"] == (sets.copies / "out" / "manifest.json").stat().st_size
    assert (asked["heads"], asked["gets"], asked["lists"]) == (1, 1, 1)
    row, asked = sets.requests(lambda: kept.row(0))
    assert asked["bytes"] == length[row["shard"]], "one part, once"
    assert (asked["heads"], asked["gets"]) == (1, 1)
    one, asked = sets.requests(lambda: kept[0])
    assert len(one.picture.data) <= asked["bytes"] <= len(one.picture.data) + BLOCK


def test_large_parts_are_held_against_their_hashes_and_read_by_row_groups(sets: Sets, demo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than a block is large here. Groups of five rows, made wide."""
    monkeypatch.setattr("threshflow._remote._WHOLE", 0)
    monkeypatch.setattr("threshflow._remote._LARGE_BLOCK", BLOCK)
    folder = shutil.copytree(sets.copies / "out", tmp_path / "large")
    manifest = json.loads((folder / "manifest.json").read_text())
    part = next(part for part in manifest["parts"] if part["kind"] == "data")
    path = folder / part["file"]
    rows = pq.read_table(path)
    wide = [random.Random(f"seed 7, row {number}").randbytes(30_000).hex() for number in range(len(rows))]
    pq.write_table(rows.append_column("wide", [wide]), path, row_group_size=5, compression="none")
    part |= {"bytes": path.stat().st_size, "hash": hash_of_file(path)}
    edit_manifest(folder, {"parts": manifest["parts"]})
    group = pq.read_metadata(path).row_group(1)
    kept = threshflow.pictures(sets.upload("large", folder), shards=demo.shards)
    row, asked = sets.requests(lambda: kept.row(7))
    assert row == threshflow.pictures(folder, shards=demo.shards).row(7)
    columns = sum(group.column(at).total_compressed_size for at in range(group.num_columns))
    assert 4 * BLOCK < columns < part["bytes"] / 4
    # All of it for the hash; the footer; one row group.
    assert part["bytes"] + columns <= asked["bytes"] <= part["bytes"] + columns + 3 * BLOCK
    again, asked = sets.requests(lambda: [kept.row(number) for number in range(5, 10)])
    assert again[2] == row
    assert asked["bytes"] == 0


def test_a_part_that_is_not_what_was_published_is_named(sets: Sets, tmp_path: Path) -> None:
    part = threshflow.pictures(sets.copies / "out", sets.bucket.store)._parts.parts[0].path
    whole = part.read_bytes()
    for data, said in ((whole[:-1], f"it has {len(whole) - 1} bytes, and"), (whole, rf"it has {len(whole)} bytes with the hash [0-9a-f]{{32}}, and")):
        (tmp_path / "part").write_bytes(data)
        if data == whole:
            flip(tmp_path / "part", len(whole) // 2)
        sets.put(f"out/data/{part.name}", tmp_path / "part")
        with pytest.raises(ThreshflowError, match=f"{OUT}/data/{part.name} is not what was published: {said} the manifest names .*verify"):
            threshflow.pictures(OUT, sets.bucket.store)[0]
    sets.put(f"out/data/{part.name}", part)
    kept = threshflow.pictures(OUT, sets.bucket.store)
    assert kept[0]
    # What was read first is gone by, and not what has its place.
    kept._parts._pieces, kept._parts._groups = _parts.no_pieces(), _parts.no_groups()
    sets.put(f"out/data/{part.name}", tmp_path / "part")
    with pytest.raises(ThreshflowError, match=f"{part.name} changed while the set was open"):
        kept[0]
    sets.put(f"out/data/{part.name}", part)


def test_a_set_that_is_published_anew_is_read_as_it_is_then(sets: Sets, tmp_path: Path) -> None:
    place, old = f"s3://{BUCKET}/anew", tmp_path / "old"
    publish(sets.bucket, "--out", place)
    sets.bucket.control("download", {"prefix": "anew/", "folder": str(old)})
    before = threshflow.pictures(place, sets.bucket.store)
    # What somebody listed in this process is remembered there, and not here.
    assert len(fsspec.filesystem("s3").ls(f"{BUCKET}/anew")) > 3
    publish(sets.bucket, "--out", place, "--set", "aesthetic=top:20")
    sets.bucket.control("download", {"prefix": "anew/", "folder": str(tmp_path / "new")})
    new = threshflow.pictures(tmp_path / "new", sets.bucket.store)
    assert 0 < len(new) <= 20 < len(before)
    # What was opened before is not mixed with it.
    with pytest.raises(ThreshflowError, match="cannot be read: FileNotFoundError.*open the set again"):
        list(before)
    # Between the manifest and the list of the parts, the other one takes its place.
    assert len(threshflow.pictures(place, sets.bucket.store)) == len(new)
    sets.put("anew/manifest.json", old / "manifest.json")
    rules = [{"on": "head", "key": "anew/manifest.json", "skip": 1, "do": {"swap": str(tmp_path / "new" / "manifest.json")}}]
    sets.bucket.control("rules", rules)
    assert list(threshflow.pictures(place, sets.bucket.store)) == list(new)
    # While it is read, too.
    sets.put("anew/manifest.json", old / "manifest.json")
    sets.bucket.control("rules", [{**rules[0], "on": "get", "skip": 0, "times": 1}])
    assert list(threshflow.pictures(place, sets.bucket.store)) == list(new)
    # Again and again, it has an end.
    others = []
    for number in range(4):
        edit_manifest(old, {"number": number})
        others.append(shutil.copy(old / "manifest.json", tmp_path / f"{number}.json"))
    sets.bucket.control("rules", [{**rules[0], "skip": 0, "times": 1, "do": {"swap": str(other)}} for other in others])
    with pytest.raises(ThreshflowError, match="anew was published anew 3 times while it was opened: wait"):
        threshflow.pictures(place, sets.bucket.store)
    sets.bucket.control("rules", [])
    with pytest.raises(ThreshflowError, match=r"anew misses \d of the 4 parts that its manifest names, such as data/.*: run again"):
        threshflow.pictures(place, sets.bucket.store)


def test_where_shards_lie_is_to_be_named(sets: Sets, tmp_path: Path) -> None:
    with pytest.raises(ThreshflowError, match=rf"{OUT} lies in a bucket, and does not say .*store=FOLDER.*shards=FOLDER"):
        threshflow.pictures(OUT)
    with pytest.raises(ThreshflowError, match="stores are folders on disks"):
        threshflow.pictures(OUT, f"s3://{BUCKET}/store")
    with pytest.raises(ThreshflowError, match=rf"{OUT} does not hold the shard '0000\d': there is no 0000\d.tar and no"):
        threshflow.pictures(OUT, shards=OUT)
    with pytest.raises(ThreshflowError, match="s3://no-such-bucket/laion cannot be read: .*bucket does not exist; check"):
        threshflow.pictures(OUT, shards="s3://no-such-bucket/laion")
    with pytest.raises(ThreshflowError, match="on a web server, which does not say what it holds; name the store"):
        threshflow.pictures(OUT, shards="https://127.0.0.1/laion")
    with pytest.raises(ThreshflowError, match="laion is no folder that a run published to: it has no manifest.json"):
        threshflow.pictures(f"s3://{BUCKET}/laion", sets.bucket.store)
    with pytest.raises(ThreshflowError, match="tars is no folder that a run published to: it holds .*threshflow.pairs reads it"):
        threshflow.pictures(TARS, sets.bucket.store)


@pytest.mark.parametrize("name", ["tars", "rows"])
def test_pairs_are_those_of_a_copy(sets: Sets, released: Path, name: str) -> None:
    here = list(threshflow.pairs(sets.copies / name))
    there = threshflow.pairs(f"s3://{BUCKET}/{name}")
    # From the end, which in tars is the longest way.
    assert [there[number] for number in reversed(range(len(there)))] == here[::-1]
    assert [(pair.turns, pair.mask) for pair in there] == [(pair.turns, pair.mask) for pair in threshflow.pairs(released)]
    assert [there.row(number) for number in range(len(there))] == [threshflow.pairs(sets.copies / name).row(number) for number in range(len(here))]
    by_hash = threshflow.pairs(f"s3://{BUCKET}/{name}", verify=True)
    assert [by_hash[number] for number in (0, len(here) - 1)] == [here[0], here[-1]]
    again = pickle.loads(pickle.dumps(there))
    assert again[-2] == here[-2]
    assert in_a_fork(again, len(here) - 1) == here[-1]


def test_of_a_pair_in_a_tar_its_pictures_and_the_headers_before_are_fetched(sets: Sets) -> None:
    pairs = threshflow.pairs(TARS)
    numbers = [number for number in range(len(pairs)) if pairs.row(number)["part"] == "version_backtracking_part2"]
    pieces = list((sets.copies / "tars").glob("Multiturn/version_backtracking_part2.tar.split.*"))
    assert len(pieces) > 4 and len(numbers) == 2
    first, asked = sets.requests(lambda: pairs[numbers[0]])
    manifest = (sets.copies / "tars" / "manifest.json").stat().st_size
    pictures = [picture.data for turn in first.turns for picture in (turn.before, turn.after)] + [first.mask.data if first.mask else b""]
    assert asked["bytes"] <= manifest + sum(map(len, pictures)) + len(pictures) * BLOCK
    # The other one's headers lie behind.
    assert asked["bytes"] < 0.75 * sum(piece.stat().st_size for piece in pieces)
    again, asked = sets.requests(lambda: pairs[numbers[0]])
    assert again == first
    assert sum(len(data) for data in pictures if len(data) > BLOCK) <= asked["bytes"] <= sum(map(len, pictures)) + 3 * BLOCK
    assert (asked["heads"], asked["lists"]) == (0, 0)


def test_of_a_pair_in_rows_one_row_group_is_fetched(sets: Sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of one row; the file has two."""
    folder = shutil.copytree(sets.copies / "rows", tmp_path / "grouped")
    path = folder / "Parquet" / "version_backtracking_part2.parquet"
    pq.write_table(pq.read_table(path), path, row_group_size=1, compression="none")
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in (file for part in manifest["parts"] for file in part["files"]):
        if file["path"] == f"Parquet/{path.name}":
            file |= {"bytes": path.stat().st_size, "hash": hash_of_file(path)}
    edit_manifest(folder, {"parts": manifest["parts"]})
    here, there = threshflow.pairs(folder), threshflow.pairs(sets.upload("grouped", folder))
    number = next(number for number in range(len(here)) if here.row(number)["part"] == path.stem)
    footer = pq.read_metadata(path)
    groups = [sum(footer.row_group(group).column(at).total_compressed_size for at in range(footer.num_columns)) for group in (0, 1)]
    paths, asked = sets.requests(lambda: there.row(number))
    assert paths == here.row(number)
    got = asked["objects"][f"grouped/Parquet/{path.name}"]
    assert got["bytes"] < 4 * BLOCK < groups[0], "the paths alone"
    pair, asked = sets.requests(lambda: there[number + 1])
    assert pair == here[number + 1]
    got = asked["objects"][f"grouped/Parquet/{path.name}"]
    assert groups[1] <= got["bytes"] <= groups[1] + 2 * BLOCK
    assert got["gets"] == 1, "the columns together"
    assert asked["heads"] == 0


def test_a_release_that_is_written_over_is_not_mixed(sets: Sets, tmp_path: Path) -> None:
    """Files of the same lengths take the places of those that were read."""
    for name, at in (("tars", "Singleturn/style_part2.tar.split.000"), ("rows", "Parquet/style_part2.parquet")):
        place = sets.upload(f"over-{name}", sets.copies / name)
        other = Path(shutil.copy(sets.copies / name / at, tmp_path / name))
        flip(other, other.stat().st_size // 2)
        pairs = threshflow.pairs(place)
        number = next(number for number in range(len(pairs)) if pairs.row(number)["part"] == "style_part2")
        assert pairs[number]
        sets.put(f"over-{name}/{at}", other)
        pairs._parts._groups = _parts.no_groups()
        with pytest.raises(ThreshflowError, match=f"{at} changed while the set was open"):
            [pairs[number] for number in range(number, number + 2)]
        # Opened after it, nothing tells but the hash.
        with pytest.raises(ThreshflowError, match=f"{at} .*the hash [0-9a-f]{{32}}, and "):
            threshflow.pairs(place, verify=True)[number]
        sets.bucket.control("delete", {"key": f"over-{name}/{at}"})
        with pytest.raises(ThreshflowError, match=f"{at} cannot be read: FileNotFoundError: "):
            threshflow.pairs(place)[number]


def test_a_release_that_is_released_anew_before_it_is_read_is_named(sets: Sets, tmp_path: Path) -> None:
    for name, at in (("tars", "Singleturn/style_part2.tar.split.001"), ("rows", "Parquet/style_part2.parquet")):
        folder = shutil.copytree(sets.copies / name, tmp_path / name)
        place = sets.upload(f"again-{name}", folder)
        pairs = threshflow.pairs(place)
        numbers = {row["part"]: number for number in range(len(pairs)) for row in [threshflow.pairs(folder).row(number)]}
        manifest = json.loads((folder / "manifest.json").read_text())
        for file in (file for part in manifest["parts"] for file in part["files"] if file["path"] == at):
            file["hash"] = "0" * 32
        edit_manifest(folder, {"parts": manifest["parts"]})
        sets.put(f"again-{name}/manifest.json", folder / "manifest.json")
        assert pairs[numbers["action_part1"]], "that is as it was"
        with pytest.raises(ThreshflowError, match=f"{at} changed while the set was open: the manifest no longer names it"):
            pairs[numbers["style_part2"]]
        # As it is while files are written over.
        edit_manifest(folder, {"scores": None})
        sets.put(f"again-{name}/manifest.json", folder / "manifest.json")
        with pytest.raises(ThreshflowError, match=f"{place} is no whole release: it is being written, or that was broken off .*wait"):
            threshflow.pairs(place)


def test_headers_that_could_not_be_read_are_read_when_they_are_asked_for_again(sets: Sets) -> None:
    here = threshflow.pairs(sets.copies / "tars")
    number = next(number for number in range(len(here)) if here.row(number)["part"] == "version_backtracking_part2")
    for skip in range(6):
        pairs = threshflow.pairs(TARS)
        sets.bucket.control("rules", [{"on": "get", "key": "tars/Multiturn/*", "skip": skip, "times": 1, "do": {"status": 403}}])
        with pytest.raises(ThreshflowError, match="tar.split.00. cannot be read: PermissionError: Access Denied"):
            pairs[number]
        assert pairs[number] == here[number], f"request {skip}"
    assert pairs[number + 1] == here[number + 1]


def test_edits_of_a_set_are_released_first(sets: Sets, tmp_path: Path) -> None:
    for more in ({}, {"store": sets.edits.store}, {"to": tmp_path / "to"}):
        with pytest.raises(ThreshflowError, match=rf"{EDITS} is what a run published, .*`threshflow release --store FOLDER --out {EDITS} --to FOLDER`"):
            threshflow.pairs(EDITS, **more)
    pairs = threshflow.pairs(EDITS, sets.edits.store, to=tmp_path / "to")
    assert [pair.turns for pair in pairs] == [pair.turns for pair in threshflow.pairs(sets.copies / "rows")]


def test_the_page_shows_what_runs(sets: Sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of docs/python.md about buckets, with the names of this one."""
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    [block] = [block for block in (text.split("```")[0] for text in page.split("```python\n")[1:]) if "s3://" in block]
    names = {"s3://curated/art": EDITS, "s3://curated/released": ROWS, "s3://laion/art": sets.upload("shards", sets.edits.shards)}
    for name, here in names.items():
        assert name in block
        block = block.replace(name, here)
    sets.edits.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(block, found)
    assert list(found["kept"]) == list(threshflow.pictures(sets.edits.out))
    # A release that is in a bucket keeps its form.
    assert not list(Path(sets.copies / "rows").rglob("*.tar*"))
    assert list(found["pairs"]) == list(threshflow.pairs(sets.copies / "rows"))


def test_what_cannot_be_read_says_what_and_what_to_do(sets: Sets, monkeypatch: pytest.MonkeyPatch) -> None:
    for opens in (threshflow.pictures, threshflow.pairs):
        with pytest.raises(ThreshflowError, match="s3://no-such-bucket/out/manifest.json cannot be read: .*bucket does not exist; check"):
            opens("s3://no-such-bucket/out")
    with pytest.raises(ThreshflowError, match="laion has no edit pairs: it has no manifest.json .*name the URL of --to"):
        threshflow.pairs(f"s3://{BUCKET}/laion")
    with pytest.raises(ThreshflowError, match="only of such a one are `store` and `to` asked for"):
        threshflow.pairs(TARS, sets.edits.store)
    sets.bucket.control("rules", [{"on": "list", "do": {"status": 403}}])
    with pytest.raises(ThreshflowError, match=f"{OUT}/data cannot be listed: PermissionError: .*allow to list"):
        threshflow.pictures(OUT, sets.bucket.store)
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another/secret")
    for opens in (threshflow.pictures, threshflow.pairs):
        with pytest.raises(ThreshflowError, match="manifest.json cannot be read: .*the credentials in the environment") as wrong:
            opens(TARS)
        assert "another/secret" not in str(wrong.value)
    s3fs.S3FileSystem.clear_instance_cache()

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(ThreshflowError, match="Install s3fs.*install that package, or copy it"):
        threshflow.pairs(TARS)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ThreshflowError, match=r"fsspec is not installed.*pip install 'threshflow\[s3\]'"):
        threshflow.pictures(OUT)


def test_other_stores_are_looked_at_behind_each_range(sets: Sets, demo: Run) -> None:
    """fsspec's own store in memory stands for them."""
    memory = fsspec.filesystem("memory")
    for name, folder in (("out", sets.copies / "out"), ("tars", sets.copies / "tars"), ("rows", sets.copies / "rows"), ("shards", demo.shards)):
        memory.put(str(folder), f"/{name}", recursive=True)
    here = list(threshflow.pictures(sets.copies / "out", shards=demo.shards))
    assert list(threshflow.pictures("memory://out", shards="memory://shards")) == here
    for name, at in (("tars", "Singleturn/style_part2.tar.split.000"), ("rows", "Parquet/style_part2.parquet")):
        pairs = threshflow.pairs(f"memory://{name}")
        assert list(pairs) == list(threshflow.pairs(sets.copies / name))
        number = next(number for number in range(len(pairs)) if pairs.row(number)["part"] == "style_part2")
        memory.pipe(f"/{name}/{at}", memory.cat(f"/{name}/{at}"))
        pairs._parts._groups = _parts.no_groups()
        with pytest.raises(ThreshflowError, match=f"{at} changed while the set was open"):
            pairs[number]
    memory.store.clear()
