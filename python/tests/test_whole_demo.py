"""`threshflow demo`, as the README begins, and both functions on what it made. `.ci/wheel` runs it beside the other tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from oracle import published_rows

import threshflow


def test_the_whole_demo() -> None:
    named = os.environ.get("THRESHFLOW_WHOLE_DEMO")
    if named is None:
        pytest.skip("THRESHFLOW_WHOLE_DEMO=FOLDER names what `threshflow demo --folder FOLDER` made")
    folder = Path(named)
    rows = published_rows(folder / "out")
    kept = threshflow.pictures(folder / "out")
    assert [each.row for each in kept] == rows != []
    edits = published_rows(folder / "out", "edits")
    pairs = list(threshflow.pairs(folder / "released"))
    assert sorted(pair.edit_type for pair in pairs) == sorted(edit["edit_type"] for edit in edits)
    assert len({pair.edit_type for pair in pairs}) == 13
