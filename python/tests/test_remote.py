"""Pictures whose shards lie in a bucket, on a real server of S3: the same as of the shards in a folder, by the ranges that they lie in."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import MODELS, Run, run
from oracle import published_rows

import threshflow
from threshflow import ThreshflowError

SERVER = Path(__file__).parents[2] / "tests" / "objects" / "s3.py"
KEY_ID, SECRET = "AKIAOBJECTSOFTESTS", "canary/of/the/package"
BUCKET = "bucket-of-python"


@dataclass
class Bucket:
    """The demo's shards in a bucket, and what a run over them published."""

    endpoint: str
    store: Path
    out: Path

    def control(self, verb: str, said: Any) -> Any:
        request = urllib.request.Request(f"{self.endpoint}/_control/{BUCKET}/{verb}", json.dumps(said).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def bytes_of(self, act: Any) -> tuple[Any, int]:
        """What `act` gives, and how many bytes of objects were sent for it."""
        self.control("reset", {})
        done = act()
        return done, self.control("counts", {})["bytes"]


@pytest.fixture(scope="module")
def bucket(demo: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    python = shutil.which("python3")
    has_moto = python and subprocess.run([python, "-c", "import moto.server"], capture_output=True).returncode == 0
    if not has_moto:
        assert os.environ.get("THRESHFLOW_REQUIRE_PYTHON") != "1", "the python3 of the PATH has no moto.server"
        pytest.skip("the python3 of the PATH has no moto.server")
    with subprocess.Popen([python, SERVER, KEY_ID, SECRET], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server, pytest.MonkeyPatch.context() as patch:
        assert server.stdout and server.stdin
        folder = tmp_path_factory.mktemp("bucket")
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{int(server.stdout.readline())}")
        patch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("NO_PROXY", "127.0.0.1")
        of = Bucket(os.environ["AWS_ENDPOINT_URL"], folder / "store", folder / "out")
        of.control("upload", {"folder": str(demo.shards), "prefix": "laion/"})
        flags = ("--aesthetic", MODELS / "aesthetic", "--store", of.store, "--out", of.out, "--max-error-rate", "1")
        run("prepare", "run", "--shards", f"s3://{BUCKET}/laion/", *flags)
        yield of
        server.stdin.close()


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
    for place in ("s3://bucket/out", f"s3://{BUCKET}/laion"):
        for opens in (threshflow.pictures, threshflow.pairs):
            with pytest.raises(ThreshflowError, match="lies on no disk.*mirror"):
                opens(place)
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
