"""Parts of several row groups, read in any order, against what was written."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from threshflow import ThreshflowError, _parts


def test_rows_are_those_that_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parts, "MOST_GROUPS", 2)
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
    assert len(read._groups) == 2


def test_a_part_of_other_rows_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(ThreshflowError, match=r"a\.parquet has 2 rows, and 3 were counted"):
        _parts.Parts([_parts.Part(tmp_path / "a.parquet", "a", 3)], "look again").row(0)


def test_there_may_be_no_rows() -> None:
    assert len(_parts.Parts([], "look again")) == 0
