"""Shards of photo-like JPEGs: `pictures.py FOLDER COUNT`. The same count and seed give the same bytes on any machine with the same Pillow.

Every process draws a few large canvases of 1/f noise with flat patches and edges. A picture is a piece of one, turned,
tinted, and covered with fine grain, so that no two are the same, and drawing costs about as much as encoding. Beside each
lies a sidecar with nouns of the demo's vocabulary, which `recap_mask` looks for.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 20
# Width and height, as photographs on the web are; the small ones are for a dry run.
SIZES = {
    "photo": [(1600, 1067), (1333, 2000), (2048, 1365), (1280, 960)],
    "small": [(480, 320), (320, 480), (400, 300)],
}
OBJECTS = ["house", "tree", "boat", "cup", "ball", "apple", "vase", "lamp", "car", "kite"]
BACKGROUNDS = ["sky", "hills", "meadow", "sea", "street", "wall"]
CANVASES = 3
CANVAS_EDGE = {"photo": 3072, "small": 1024}


def noise(random: np.random.Generator, edge: int) -> np.ndarray:
    """A square of 1/f noise, of mean 0 and deviation 1."""
    y = np.fft.fftfreq(edge)[:, None].astype(np.float32)
    x = np.fft.rfftfreq(edge)[None, :].astype(np.float32)
    power = (np.hypot(x, y) + 1.0 / edge) ** np.float32(-1.5)
    phase = random.random(power.shape, dtype=np.float32) * np.float32(2 * np.pi)
    field = np.fft.irfft2(power * np.exp(1j * phase), s=(edge, edge)).astype(np.float32)
    return (field - field.mean()) / field.std()


@lru_cache(maxsize=1)
def fields(edge: int) -> tuple[np.ndarray, np.ndarray]:
    """Of light, and of colour: all canvases are made of these two."""
    random = np.random.default_rng([SEED, edge])
    return noise(random, edge), noise(random, edge)


@lru_cache(maxsize=CANVASES)
def canvas(edge: int, number: int) -> np.ndarray:
    """What pictures are cut out of: [edge, edge, 3], around 0.5."""
    random = np.random.default_rng([SEED, edge, number])
    light, colour = (np.roll(field, random.integers(0, edge, 2), (0, 1)) for field in fields(edge))
    channels = [light * 0.7 + np.roll(colour, random.integers(0, edge, 2), (0, 1)) * 0.3 for _ in range(3)]
    for _ in range(60):
        left, top = random.integers(0, edge, 2)
        width, height = random.integers(edge // 40, edge // 5, 2)
        piece = (slice(top, top + height), slice(left, left + width))
        for channel in channels:
            channel[piece] = channel[piece] * 0.3 + random.normal()
    return 0.5 + 0.17 * np.stack(channels, axis=-1)


def picture(number: int, sizes: str) -> bytes:
    """A JPEG of quality 90."""
    random = np.random.default_rng([SEED, number])
    width, height = SIZES[sizes][random.integers(len(SIZES[sizes]))]
    whole = canvas(CANVAS_EDGE[sizes], int(random.integers(CANVASES)))
    top, left = random.integers(0, whole.shape[0] - height), random.integers(0, whole.shape[0] - width)
    piece = whole[top : top + height, left : left + width]
    if random.random() < 0.5:
        piece = piece[:, ::-1]
    tint = random.uniform(0.6, 1.2, 3).astype(np.float32)
    grain = random.integers(-7, 8, piece.shape[:2], dtype=np.int8)[..., None]
    pixels = np.clip(piece * (255 * tint) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def sidecar(number: int) -> bytes:
    """Nouns that differ from picture to picture."""
    random = np.random.default_rng([SEED, number, 1])
    nouns = {
        "object": sorted(random.choice(OBJECTS, 4, replace=False).tolist()),
        "background": sorted(random.choice(BACKGROUNDS, 2, replace=False).tolist()),
    }
    return json.dumps({"tags": nouns}).encode()


def shard(folder: Path, number_of_it: int, first: int, count: int, sizes: str) -> int:
    """Writes a tar of pictures and sidecars; gives its bytes."""
    path = folder / f"{number_of_it:05}.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(first, first + count):
            for kind, data in (("jpg", picture(number, sizes)), ("json", sidecar(number))):
                member = tarfile.TarInfo(f"{number:08}.{kind}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path.stat().st_size


def make(folder: Path, count: int, sizes: str, a_shard: int = 32) -> int:
    """All shards, on all cores; gives their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = range(0, count, a_shard)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = [
            pool.submit(shard, folder, number, first, min(a_shard, count - first), sizes)
            for number, first in enumerate(firsts)
        ]
        return sum(job.result() for job in made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--sizes", choices=SIZES, default="photo")
    arguments = parser.parse_args()
    print(make(arguments.folder, arguments.count, arguments.sizes), "bytes")
