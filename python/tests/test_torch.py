"""The data set for torch. In CI torch is not there, since it is too large: a stand-in of four lines has its name. Where torch is installed,
a real `DataLoader` reads, too."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest
from conftest import Run

import threshflow
from threshflow import Kept, Pair, ThreshflowError

STAND_IN = "from typing import Generic, TypeVar\n\nT = TypeVar('T')\nclass Dataset(Generic[T]): pass\n"


def length(item: Kept | Pair) -> int:
    """A transform that can be pickled."""
    return len(item.picture.data if isinstance(item, Kept) else item.turns[-1].after.data)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "torch" / "utils" / "data"
    data.mkdir(parents=True)
    for folder in (data.parent.parent, data.parent):
        (folder / "__init__.py").touch()
    (data / "__init__.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.split(".")[0] == "torch" or name == "threshflow._torch"]:
        monkeypatch.delitem(sys.modules, module)
    yield
    sys.modules.pop("threshflow._torch", None)
    for module in [name for name in sys.modules if name.split(".")[0] == "torch"]:
        del sys.modules[module]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_processes_read_what_this_one_reads(edits: Run, released: Path, start: str) -> None:
    from torch.utils.data import Dataset

    for items in (threshflow.pictures(edits.out), threshflow.pairs(released)):
        plain = items.torch()
        assert isinstance(plain, Dataset) and len(plain) == len(items)
        assert plain[0] == items[0]
        lengths = items.torch(length)
        expected = [length(item) for item in items]
        # What this process has open must not get in their way.
        with multiprocessing.get_context(start).Pool(2) as workers:
            assert workers.map(lengths.__getitem__, range(len(items)), chunksize=1) == expected


def test_without_torch_it_says_so(edits: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "threshflow._torch", raising=False)
    with pytest.raises(ThreshflowError, match="needs torch, which is not installed: pip install torch"):
        threshflow.pictures(edits.out).torch()


def test_a_real_data_loader(edits: Run, released: Path) -> None:
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    for items in (threshflow.pictures(edits.out), threshflow.pairs(released)):
        loader = data.DataLoader(items.torch(length), batch_size=2, num_workers=2)
        assert [int(each) for batch in loader for each in batch] == [length(item) for item in items]
