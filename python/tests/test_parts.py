"""Parts of several row groups, read in any order, against what was written."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from threshflow import ThreshflowError, _parts
from threshflow._sealed import hash_of_file


def test_rows_are_those_that_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parts, "MOST_BYTES", 300)
    written, parts = [], []
    for number, rows in enumerate((7, 0, 1, 12)):
        path = tmp_path / f"{number}.parquet"
        of_part = [{"part": number, "row": row, "words": ["word"] * row} for row in range(rows)]
        schema = pa.schema([("part", pa.int64()), ("row", pa.int64()), ("words", pa.list_(pa.string()))])
        pq.write_table(pa.Table.from_pylist(of_part, schema), path, row_group_size=3)
        written += of_part
        parts.append(_parts.Part(path, str(number), rows))
    read = _parts.Parts(parts, "look again")
    assert len(read) == len(written) == 20
    seed = 7
    for number in random.Random(seed).choices(range(20), k=200):
        assert read.row(number) == written[number], f"seed {seed}, row {number}"
        part, within = read.place(number)
        assert (int(part.name), within) == (written[number]["part"], written[number]["row"])
    held = [table.nbytes for table, _ in read._groups._kept.values()]
    assert 0 < sum(held) <= 300


def test_a_part_of_other_rows_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(ThreshflowError, match=r"a\.parquet has 2 rows, and 3 were counted"):
        _parts.Parts([_parts.Part(tmp_path / "a.parquet", "a", 3)], "look again").row(0)


def test_there_may_be_no_rows() -> None:
    assert len(_parts.Parts([], "look again")) == 0


def checked(path: Path, rows: int) -> _parts.Part:
    return _parts.Part(path, path.stem, rows, path.stat().st_size, hash_of_file(path))


def table(rows: int, text: str) -> pa.Table:
    return pa.table({"row": list(range(rows)), "text": [text] * rows})


@pytest.mark.parametrize("by_hash", [True, False])
def test_a_part_that_is_replaced_while_it_is_read_is_named(tmp_path: Path, by_hash: bool) -> None:
    path, again = tmp_path / "a.parquet", tmp_path / "again"
    pq.write_table(table(6, "old"), path, row_group_size=3)
    read = _parts.Parts([checked(path, 6) if by_hash else _parts.Part(path, "a", 6)], "look again")
    assert read.row(0) == {"row": 0, "text": "old"}
    pq.write_table(table(6, "new"), again, row_group_size=3)
    os.utime(again, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert again.stat().st_size == path.stat().st_size, "only the inode tells"
    again.rename(path)
    with pytest.raises(ThreshflowError, match=r"a\.parquet changed while the set was open: .*open the set again"):
        read.row(5)
    with pytest.raises(ThreshflowError, match=r"is not what was published" if by_hash else "changed"):
        (pickle.loads(pickle.dumps(read)) if by_hash else read).row(5)


def test_parts_share_what_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 2 * table(100, "text").nbytes + 200
    monkeypatch.setattr(_parts, "MOST_BYTES", most)
    groups, sets = _parts.no_groups(), []
    for number in range(5):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table(100, f"tex{number}"), path)
        sets.append(_parts.Parts([_parts.Part(path, str(number), 100)], "look again", groups))
    for _ in range(2):
        for number, read in enumerate(sets):
            assert read.row(7) == {"row": 7, "text": f"tex{number}"}
            assert sum(held.nbytes for held, _ in groups._kept.values()) <= most
    assert len(groups) == 2
    # Also behind a pickle.
    again = pickle.loads(pickle.dumps(sets))
    assert len({id(read._groups) for read in again}) == 1 and len(again[0]._groups) == 0


def test_pictures_in_rows_are_left_out(tmp_path: Path) -> None:
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    turn = pa.struct([("input_images", pa.list_(picture)), ("prompt", pa.string())])
    schema = pa.schema([("data", pa.list_(turn)), ("mask", picture), ("task", pa.string())])
    shown = [{"bytes": b"x" * 100_000, "path": "a.jpg"}, {"bytes": b"y" * 100_000, "path": "b.jpg"}]
    rows = [
        {"data": [{"input_images": shown, "prompt": "p"}, {"input_images": [], "prompt": "q"}], "mask": shown[0], "task": "t"},
        {"data": [{"input_images": shown[:1], "prompt": "r"}], "mask": None, "task": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "a.parquet")
    read = _parts.Parts([checked(tmp_path / "a.parquet", 2)], "look again")
    a, b = {"path": "a.jpg"}, {"path": "b.jpg"}
    assert [read.row(number, pictures=False) for number in (0, 1)] == [
        {"data": [{"input_images": [a, b], "prompt": "p"}, {"input_images": [], "prompt": "q"}], "mask": a, "task": "t"},
        {"data": [{"input_images": [a], "prompt": "r"}], "mask": None, "task": None},
    ]
    assert sum(held.nbytes for held, _ in read._groups._kept.values()) < 1000
    assert [read.row(number) for number in (0, 1)] == rows
    # Where there are none, one row group is held once.
    pq.write_table(table(3, "text"), tmp_path / "b.parquet")
    read = _parts.Parts([checked(tmp_path / "b.parquet", 3)], "look again")
    assert read.row(1) == read.row(1, pictures=False) and len(read._groups) == 1
