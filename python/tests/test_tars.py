"""Tars that are damaged or cut, and pieces that are missing."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from oracle import add_file

from threshflow import ThreshflowError
from threshflow._tars import OpenPieces, Tar, pieces_in_order

NAMES = ["a.jpg", "b.jpg", "c" * 120 + ".jpg", "mask.png"]


@pytest.fixture
def whole() -> bytes:
    """A tar of four files, and of two blocks of zeros at its end."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in NAMES:
            add_file(tar, name, b"x" * 700)
        end = tar.offset
    return written.getvalue()[: end + 1024]


def headers(tar: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return [member.offset for member in opened]


def names(path: Path, tar: bytes, whole: bool = True) -> list[str]:
    path.write_bytes(tar)
    return [member.name for member in Tar("the tar", [path], "get it again").files(OpenPieces(), whole)]


def test_a_damaged_header_is_not_the_end(whole: bytes, tmp_path: Path) -> None:
    assert names(tmp_path / "x.tar", whole) == NAMES
    assert len(headers(whole)) == 4
    for number, at in enumerate(headers(whole)):
        damaged = bytearray(whole)
        damaged[at + 150] ^= 1
        with pytest.raises(ThreshflowError, match="the tar is no whole tar: .*; get it again"):
            names(tmp_path / "x.tar", damaged)
        if number > 0:
            assert names(tmp_path / "x.tar", damaged, whole=False) == NAMES[:number]
    with pytest.raises(ThreshflowError, match=f"at byte {headers(whole)[3]} of {len(whole)} is neither the header of a file nor the tar's end"):
        names(tmp_path / "x.tar", damaged)


def test_a_tar_that_is_cut_anywhere_is_named(whole: bytes, tmp_path: Path) -> None:
    for length in range(0, len(whole) - 512, 256):
        with pytest.raises(ThreshflowError, match="the tar is no whole tar: .*; get it again"):
            names(tmp_path / "x.tar", whole[:length])
    # One block of zeros is an end.
    assert names(tmp_path / "x.tar", whole[:-512]) == NAMES
    with pytest.raises(ThreshflowError, match="the tar is not there; get it again"):
        list(Tar("the tar", [], "get it again").files(OpenPieces()))


def test_pieces_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    pieces = [tmp_path / f"x.tar.split.{number:03}" for number in range(1002)]
    others = [tmp_path / "x.tar.split.000.part", tmp_path / "x.tar.split."]
    assert pieces_in_order([*reversed(pieces), *others]) == pieces
    for missing in (0, 101, 1000):
        with pytest.raises(ThreshflowError, match=rf"x\.tar\.split\.{missing:03} is missing, and .* is there; get that piece"):
            pieces_in_order(pieces[:missing] + pieces[missing + 1 :])
    with pytest.raises(ThreshflowError, match=r"split\.001 and .*split\.1 are both piece 1 of one tar"):
        pieces_in_order([*pieces, tmp_path / "x.tar.split.1"])


def test_other_threads_never_see_half_of_a_tar(whole: bytes, tmp_path: Path) -> None:
    class Watched(Tar):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "_starts" and value:
                assert self._looks, "another thread would read with these"

    (tmp_path / "x.tar").write_bytes(whole)
    pieces = OpenPieces()
    assert Watched("the tar", [tmp_path / "x.tar"], "get it again").size(pieces) == len(whole)
