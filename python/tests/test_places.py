"""Where shards are looked for, and what is kept of what was used last."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from threshflow import ThreshflowError
from threshflow._lru import Lru
from threshflow._places import Place, place_in_folder


def test_shards_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("laion/00012.tar", "laion/00013.tar.split.001", "laion/00013.tar.split.000", "photos/cats/a.jpg", "od[d].tar.split.000"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    places = {
        "laion/00012": Place((f"{tmp_path}/laion/00012.tar",), None),
        "laion/00013": Place((f"{tmp_path}/laion/00013.tar.split.000", f"{tmp_path}/laion/00013.tar.split.001"), None),
        "od[d]": Place((f"{tmp_path}/od[d].tar.split.000",), None),
        "photos": Place((), f"{tmp_path}/photos"),
        "photos/3-of-16": Place((), f"{tmp_path}/photos"),
    }
    assert {name: place_in_folder(tmp_path, name) for name in places} == places
    for absent in ("laion/00014", "00012", "other/3-of-16"):
        with pytest.raises(ThreshflowError, match=f"does not hold the shard '{absent}'"):
            place_in_folder(tmp_path, absent)


def test_pieces_are_numbered_without_a_gap(tmp_path: Path) -> None:
    names = [f"{tmp_path}/00001.tar.split.{number:03}" for number in range(1002)]
    for name in names:
        Path(name).touch()
    assert place_in_folder(tmp_path, "00001") == Place(tuple(names), None)
    Path(names[7]).unlink()
    with pytest.raises(ThreshflowError, match=r"00001\.tar\.split\.007 is missing, and 00001\.tar\.split\.008 is there"):
        place_in_folder(tmp_path, "00001")


def test_what_was_used_last_is_kept() -> None:
    made: list[str] = []

    def get(key: str) -> str:
        return lru.get(key, lambda: made.append(key) or key.upper())

    lru: Lru[str, str] = Lru(2)
    assert [get(key) for key in "abaca"] == list("ABACA")
    assert made == ["a", "b", "c"], "`b` was used before `a` was: it had to go"
    assert get("b") == "B" and made == ["a", "b", "c", "b"] and len(lru) == 2
    assert len(pickle.loads(pickle.dumps(lru))) == 0


def test_what_is_kept_is_bounded_by_its_weight() -> None:
    lru: Lru[str, str] = Lru(10, len)
    for text in ("aaaa", "bbbb", "aaaa", "cc"):
        assert lru.get(text, lambda: text) == text
    assert len(lru) == 3
    lru.get("d", lambda: "d")
    assert list(lru._kept) == ["aaaa", "cc", "d"]
    # What is too heavy is kept alone.
    assert lru.get("long", lambda: "l" * 11) == "l" * 11
    assert list(lru._kept) == ["long"]
    assert list(pickle.loads(pickle.dumps(lru))._kept) == []
    for text in ("aaaa", "bbbb"):
        lru.get(text, lambda: text)
    assert list(lru._kept) == ["aaaa", "bbbb"]
