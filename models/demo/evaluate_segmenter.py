"""Measures the demo's segmenter on scenes that had no part in its making.

Boxes are the objects' true bounds with each edge moved by up to `--jitter` of the box's size; masks are compared at
the picture's own size. From the repository root:

    pip install -r models/demo/requirements-segment.txt
    python models/demo/evaluate_segmenter.py

`--scenes FOLDER` keeps the drawn scenes there, and uses the ones that it already holds.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

import segment_scenes

MODEL = Path(__file__).resolve().parent / "segment"
# HELD_OUT_SEED of pipelines/demo/mod.rs, first scene, scenes, longer side.
HELD_OUT = (2002, 0, 240, 1600)
# Objects that fill less of the picture than this are not measured.
LEAST_AREA = 0.001


class Segmenter:
    """The two graphs on one core."""

    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
            for name in ("encoder", "decoder")
        )
        config = json.loads((folder / "preprocessor_config.json").read_text())
        self.size = (config["size"]["width"], config["size"]["height"])
        self.mean, self.std = (np.array(config[name], np.float32) for name in ("image_mean", "image_std"))
        self.seconds = defaultdict(float)

    def run(self, name, session, feeds):
        begun = time.perf_counter()
        results = session.run(None, feeds)
        self.seconds[name] += time.perf_counter() - begun
        return results

    def masks(self, picture, boxes):
        """Masks [P, height, width] of boxes in the picture's pixels, the IoU expected of them, object scores."""
        pixels = np.asarray(picture.resize(self.size, Image.Resampling.BILINEAR), np.float32) / 255
        pixels = ((pixels - self.mean) / self.std).transpose(2, 0, 1)[None]
        embeddings = self.run("encoder", self.encoder, {"pixel_values": pixels})
        scale = np.array([self.size[0] / picture.width, self.size[1] / picture.height] * 2, np.float32)
        feeds = {f"image_embeddings.{i}": values for i, values in enumerate(embeddings)}
        feeds["input_boxes"] = (np.stack(boxes) * scale)[None].astype(np.float32)
        logits, expected, scores = self.run("decoder", self.decoder, feeds)
        # Pillow's bilinear, when it enlarges, is the usual one with pixel middles at halves.
        large = (Image.fromarray(x).resize(picture.size, Image.Resampling.BILINEAR) for x in logits[0, :, 0])
        return np.stack([np.asarray(x) > 0 for x in large]), expected[0, :, 0], scores[0, :, 0]


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def measure(segmenter, folder, rows, most):
    """Rows of (noun, part of the picture, true IoU, expected IoU, object score).

    The nouns "(background)" and "(stray)" are boxes that are about no object.
    """
    chance = np.random.default_rng(3)
    found = []
    for row in rows:
        path = folder / row["file"]
        picture = Image.open(path).convert("RGB")
        owners = np.asarray(Image.open(segment_scenes.owners_path(path)))
        area = picture.width * picture.height
        things = [(place + 1, thing) for place, thing in enumerate(row["objects"])]
        bounds = [np.array(thing["bounds"], np.float32) for _, thing in things]
        asked, boxes = [], []
        for (owner, thing), box in zip(things, bounds):
            if thing["area"] >= LEAST_AREA * area:
                asked.append((thing["noun"], thing["area"] / area, owners == owner))
                boxes.append(segment_scenes.jitter(box, most, chance, *picture.size))
        to_side = np.array([segment_scenes.SIDE / n for n in picture.size] * 2, np.float32)
        taken = [box * to_side for box in bounds]
        for kind in ("background", "stray"):
            box = getattr(segment_scenes, f"{kind}_box")(taken, chance)
            if box is None:
                continue
            box = box / to_side
            left, top, right, bottom = box.round().astype(int)
            wanted = np.zeros_like(owners, bool)
            wanted[top:bottom, left:right] = owners[top:bottom, left:right] == 0
            asked.append((f"({kind})", wanted.mean(), wanted))
            boxes.append(box)
        masks, expected, scores = segmenter.masks(picture, boxes)
        for (noun, part, wanted), mask, guess, score in zip(asked, masks, expected, scores):
            found.append((noun, part, iou(mask, wanted), float(guess), float(score)))
    return found


def say(name, rows):
    true, guess, score = (np.array([row[i] for row in rows]) for i in (2, 3, 4))
    low = np.quantile(true, 0.1)
    print(
        f"{name:18} {len(rows):5}  mean IoU {true.mean():.4f}  median {np.median(true):.4f}  "
        f"lowest tenth below {low:.3f}  under 0.5: {(true < 0.5).mean():.2%}  score > 0: {(score > 0).mean():.1%}"
    )
    return true, guess


def report(found):
    objects = [row for row in found if not row[0].startswith("(")]
    true, guess = say("all objects", objects)
    print(
        f"expected IoU: correlation {np.corrcoef(true, guess)[0, 1]:.3f}, mean {guess.mean():.3f}, "
        f"mean error {np.abs(true - guess).mean():.3f}"
    )
    parts = [0.001, 0.003, 0.01, 0.03, 1.0]
    for low, high in zip(parts, parts[1:]):
        say(f"{low:.1%} to {high:.1%}", [row for row in objects if low <= row[1] < high])
    for noun in sorted({row[0] for row in found} - {"(stray)"}):
        say(noun, [row for row in found if row[0] == noun])
    strays = [row[4] > 0 for row in found if row[0] == "(stray)"]
    print(f"boxes about nothing: {len(strays)}, score > 0: {np.mean(strays):.1%}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--scenes", type=Path, help="folder of drawn scenes (default: a temporary one)")
    arguments.add_argument("--model", type=Path, default=MODEL, help="the model's folder")
    arguments.add_argument("--jitter", type=float, default=0.08, help="most that an edge is moved (of the box)")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.scenes.resolve() if given.scenes else Path(temporary)) / "held_out"
        rows = segment_scenes.draw(folder, *HELD_OUT)
        segmenter = Segmenter(given.model)
        report(measure(segmenter, folder, rows, given.jitter))
        for name, seconds in segmenter.seconds.items():
            print(f"{name}: {1000 * seconds / len(rows):.1f} ms a picture on one core")


if __name__ == "__main__":
    main()
