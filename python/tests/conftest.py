"""What the tests read: the demo, and a small run with edits, both made by the program that the wheel installed."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sysconfig
import tarfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from oracle import add_file, published_rows

import threshflow

SERVER = Path(__file__).parents[2] / "tests" / "objects" / "s3.py"
KEY_ID, SECRET = "AKIAOBJECTSOFTESTS", "canary/of/the/package"
BUCKET = "bucket-of-python"
MODELS = Path(__file__).parents[2] / "models" / "demo"
PROGRAM = Path(sysconfig.get_path("scripts")) / "threshflow"


def run(*arguments: str | Path) -> str:
    """Runs the installed program, and gives what it printed."""
    ended = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, f"{arguments}: {ended.stdout}\n{ended.stderr}"
    return ended.stdout


@dataclass
class Run:
    """The folders of a run."""

    shards: Path
    store: Path
    out: Path

    def copy(self, to: Path) -> Run:
        """Copies of the three, so that a test may damage them. The store still names the shards that it saw."""
        folders = [shutil.copytree(folder, to / folder.name) for folder in (self.shards, self.store, self.out)]
        return Run(*folders)


@pytest.fixture(scope="session", autouse=True)
def the_wheel_is_what_is_tested() -> None:
    """Not the folder beside the tests."""
    installed = {Path(sysconfig.get_path(folder)) / "threshflow" for folder in ("purelib", "platlib")}
    assert Path(threshflow.__file__).parent in installed, "pip install the wheel: the tests found another package"
    assert PROGRAM.is_file(), f"there is no {PROGRAM}: pip install the wheel"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`threshflow prepare demo`: four shards, one of them in three pieces, with pictures that are broken on purpose."""
    folder = tmp_path_factory.mktemp("demo")
    run("prepare", "demo", "--folder", folder)
    return Run(folder / "shards", folder / "store", folder / "out")


@pytest.fixture(scope="session")
def edits(demo: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with edits of three small pictures in two shards. One is the first frame of a film."""
    folder = tmp_path_factory.mktemp("edits")
    (folder / "shards").mkdir()
    first, second, third = published_rows(demo.out)[:3]
    film = small(third, demo)
    with tarfile.open(folder / "shards" / "tiny.tar", "w") as tar:
        for row in (first, second):
            add_file(tar, f"{row['key']}.jpg", as_jpeg(small(row, demo)))
            if row["sidecar"]:
                add_file(tar, f"{row['key']}.json", row["sidecar"].encode())
    with tarfile.open(folder / "shards" / "films.tar", "w") as tar:
        add_file(tar, "film.end.jpg", as_jpeg(with_ball(film, 200)))
        add_file(tar, "film.jpg", as_jpeg(with_ball(film, 60)))
        said = {"caption": "A red ball.", "tags": {"object": ["ball"], "background": []}}
        add_file(tar, "film.json", json.dumps(said).encode())
    of = Run(folder / "shards", folder / "store", folder / "out")
    models = {"aesthetic": "aesthetic", "detector": "detect", "detector-text": "clip", "segmenter": "segment", "clip": "clip"}
    dials = ["detection=0.2", "short_side=100", "aesthetic=0", "follows=1", "natural=1"]
    run(
        *("run", "--shards", of.shards, "--store", of.store, "--out", of.out),
        *(argument for flag, model in models.items() for argument in (f"--{flag}", MODELS / model)),
        *(argument for dial in dials for argument in ("--set", dial)),
        *("--edits", "style,visual,version_backtracking,action"),
    )
    return of


@pytest.fixture(scope="session")
def released(edits: Run) -> Path:
    """The edits, as `release` writes them: the tars are in pieces of 20,000 bytes."""
    to = edits.out.with_name("released")
    run("release", "--store", edits.store, "--out", edits.out, "--to", to, "--piece-bytes", "20000")
    return to


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


@pytest.fixture(scope="session")
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


def small(row: dict[str, object], of: Run) -> Image.Image:
    """A demo's picture, at a quarter of its size: the embedded editor is slow where it is not optimised."""
    [kept] = [kept for kept in threshflow.pictures(of.out) if kept.key == row["key"]]
    picture = Image.open(io.BytesIO(kept.picture.data)).convert("RGB")
    picture.thumbnail((400, 400))
    return picture


def with_ball(picture: Image.Image, left: int) -> Image.Image:
    frame = picture.copy()
    ImageDraw.Draw(frame).ellipse((left, 150, left + 90, 240), fill=(200, 30, 30))
    return frame


def as_jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()
