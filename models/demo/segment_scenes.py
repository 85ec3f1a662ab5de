"""Scenes of the demo as the segmenter's maker takes them: pixels, whose pixel is whose, and boxes to ask about."""

import json
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segment_network import SIDE

ROOT = Path(__file__).resolve().parents[2]
# Objects that fill less of the picture than this are not asked about.
LEAST_AREA = 0.0005
# Whose pixel is whose is kept at twice SIDE.
OWNERS_SIDE = 2 * SIDE


@dataclass
class Scenes:
    """`pixels` [n, SIDE, SIDE, 3] and `owners` [n, 2 SIDE, 2 SIDE] in bytes; per scene, objects as (owner, box)."""

    pixels: np.ndarray
    owners: np.ndarray
    objects: list[list[tuple[int, np.ndarray]]]


def draw(folder, seed, first, count, side):
    """Draws scenes into `folder` unless it holds them, by the demo's own generator. Gives its lines of truth."""
    table = folder / "truth.jsonl"
    if not table.exists():
        command = ["cargo", "run", "--release", "-p", "pipelines", "--example", "draw_truth", "--"]
        words = [folder, seed, first, count, side]
        subprocess.run([*command, *map(str, words)], cwd=ROOT, check=True)
    return [json.loads(line) for line in table.open()]


def owners_path(path):
    return path.with_suffix(".owners.png")


def read(path):
    pixels = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    owners = Image.open(owners_path(path)).resize((OWNERS_SIDE, OWNERS_SIDE), Image.Resampling.NEAREST)
    return np.asarray(pixels), np.asarray(owners)


def load(folder, seed, first, count, side):
    """Scenes as they are trained on."""
    rows = draw(folder, seed, first, count, side)
    pixels = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
    owners = np.empty((len(rows), OWNERS_SIDE, OWNERS_SIDE), np.uint8)
    with ProcessPoolExecutor(2) as pool:
        for i, both in enumerate(pool.map(read, [folder / row["file"] for row in rows], chunksize=32)):
            pixels[i], owners[i] = both
    objects = []
    for row in rows:
        width, height = row["width"], row["height"]
        scale = np.array([SIDE / width, SIDE / height] * 2, np.float32)
        objects.append(
            [
                (place + 1, np.array(thing["bounds"], np.float32) * scale)
                for place, thing in enumerate(row["objects"])
                if thing["area"] >= LEAST_AREA * width * height
            ]
        )
    return Scenes(pixels, owners, objects)


def jitter(box, most, chance, width=SIDE, height=SIDE):
    """A box with each edge moved by up to `most` of the box's size, kept within the picture."""
    size = np.tile(box[2:] - box[:2], 2)
    moved = box + chance.uniform(-most, most, 4) * size
    return np.clip(moved, 0, [width, height, width, height]).astype(np.float32)


def overlap(box, others):
    """IoU of a box with each of the others."""
    if not others:
        return np.zeros(1)
    others = np.stack(others)
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.clip(sides, 0, None).prod(1)
    area = lambda b: (b[..., 2:] - b[..., :2]).prod(-1)
    return common / (area(box) + area(others) - common)


def background_box(taken, chance):
    """A large box that is about no object: a band from edge to edge, or a window; None if there is no such box."""
    for _ in range(8):
        wide = 1.0 if chance.random() < 0.6 else chance.uniform(0.5, 0.95)
        high = chance.uniform(0.22, 0.75)
        left, top = chance.uniform(0, 1 - wide), chance.choice([0.0, 1 - high, chance.uniform(0, 1 - high)])
        box = np.array([left, top, left + wide, top + high], np.float32) * SIDE
        if overlap(box, taken).max() < 0.3:
            return box
    return None


def stray_box(taken, chance):
    """A box of an object's size that is about no object; None if there is no such box."""
    for _ in range(8):
        size = np.exp(chance.uniform(np.log(0.04), np.log(0.35), 2))
        corner = chance.uniform(0, 1 - size)
        box = np.concatenate([corner, corner + size]).astype(np.float32) * SIDE
        if overlap(box, taken).max() < 0.15:
            return box
    return None
