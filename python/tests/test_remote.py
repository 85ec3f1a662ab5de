"""Pictures whose shards lie in a bucket, on a real server of S3: the same as of the shards in a folder, by the ranges that they lie in."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from conftest import BUCKET, Bucket
from oracle import published_rows

import threshflow
from threshflow import ThreshflowError


def test_they_are_those_of_the_shards_in_a_folder(bucket: Bucket) -> None:
    rows = published_rows(bucket.out)
    kept = list(threshflow.pictures(bucket.out))
    assert len(kept) == len(rows) > 50
    here = {each.key: each.picture.data for each in threshflow.pictures(bucket.out, shards=_shards(bucket))}
    assert {each.key: each.picture.data for each in kept} == here
    # In a worker process, too: a pickle has no connection in it.
    again = pickle.loads(pickle.dumps(threshflow.pictures(bucket.out)))
    assert again[len(again) - 1] == kept[-1]


def _shards(bucket: Bucket) -> Path:
    to = bucket.out.with_name("shards")
    if not to.exists():
        to.mkdir()
        bucket.control("download", {"prefix": "laion/", "folder": str(to)})
    return to


def test_of_one_picture_its_own_bytes_are_fetched(bucket: Bucket) -> None:
    kept = threshflow.pictures(bucket.out)
    for number in (0, len(kept) // 2, len(kept) - 1):
        length = kept.row(number)["length"]
        one, sent = bucket.bytes_of(lambda number=number: kept[number])
        assert len(one.picture.data) == length <= sent <= length + (64 << 10), number


def test_what_changed_in_the_bucket_is_not_taken_for_what_was_published(bucket: Bucket, tmp_path: Path) -> None:
    shards = _shards(bucket)
    kept = threshflow.pictures(bucket.out)
    row = next(kept.row(number) for number in range(len(kept)) if (shards / f"{kept.row(number)['shard']}.tar").exists())
    number = next(number for number in range(len(kept)) if kept.row(number) == row)
    tar = shards / f"{row['shard']}.tar"
    changed = bytearray(tar.read_bytes())
    changed[row["offset"] + row["length"] // 2] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    key = f"laion/{row['shard']}.tar"
    bucket.control("put", {"key": key, "file": str(tmp_path / "changed")})
    with pytest.raises(ThreshflowError, match="is not the picture that was published"):
        kept[number]
    bucket.control("delete", {"key": key})
    with pytest.raises(ThreshflowError, match=f"s3://{BUCKET}/{key} cannot be read"):
        threshflow.pictures(bucket.out)[number]
    bucket.control("put", {"key": key, "file": str(tar)})
    assert threshflow.pictures(bucket.out)[number].row == row


def test_what_cannot_be_read_says_why_and_no_key(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another/secret")
    with pytest.raises(ThreshflowError, match="cannot be read") as wrong:
        threshflow.pictures(bucket.out)[0]
    assert "another/secret" not in str(wrong.value)

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(ThreshflowError, match="Install s3fs.*shards=FOLDER"):
        threshflow.pictures(bucket.out)[0]
    s3fs.S3FileSystem.clear_instance_cache()
