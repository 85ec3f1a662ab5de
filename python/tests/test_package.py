"""The wheel itself: the program, the types, what is there and what is not."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGRAM, Run, run
from oracle import published_rows

import threshflow
from threshflow import Picture, ThreshflowError


def test_program_and_package_have_one_version() -> None:
    assert run("--version").split() == ["threshflow", importlib.metadata.version("threshflow")]


def test_the_wheel_has_types_and_the_licence() -> None:
    files = {Path(file).name for file in importlib.metadata.files("threshflow")}
    assert {"py.typed", "LICENSE", "__init__.py"} <= files
    assert importlib.metadata.metadata("threshflow")["License-Expression"] == "Apache-2.0"


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    heavy = "import sys, threshflow; print(sorted({'torch', 'PIL', 'numpy'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout
    assert {"'torch'", "'PIL'"}.isdisjoint(printed.strip("[]\n").split(", "))


def test_the_program_of_this_environment_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from threshflow import _program

    monkeypatch.setenv("PATH", str(tmp_path))
    assert _program.program() == PROGRAM
    monkeypatch.setattr(_program.sysconfig, "get_path", lambda *_: str(tmp_path))
    monkeypatch.setattr(_program.sys, "executable", str(tmp_path / "python3"))
    with pytest.raises(ThreshflowError, match="there is no program threshflow in .*install the wheel again"):
        _program.program()
    (tmp_path / "threshflow").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "threshflow").chmod(0o755)
    assert _program.program() == tmp_path / "threshflow"


def test_without_pillow_a_picture_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ThreshflowError, match=r"needs Pillow, which is not installed: pip install pillow"):
        Picture("a.jpg", b"").image()


def test_the_page_shows_what_runs(edits: Run, released: Path, tmp_path: Path) -> None:
    """Every block of Python in docs/python.md, as it stands there, in a folder with `out`, `store` and `released`."""
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    assert len(blocks) >= 3
    edits.copy(tmp_path)
    shutil.copytree(released, tmp_path / "released")
    for block in blocks:
        # What reads buckets runs with a server: test_bucket.py.
        if "import torch" in block or "DataLoader" in block or "s3://" in block:
            compile(block, "docs/python.md", "exec")
            continue
        ended = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
        assert ended.returncode == 0, f"{block}\n{ended.stderr}"
