"""What the scripts that make the demo's models share: scenes with their truth, words for them, and arithmetic.

Scenes come from the demo's own generator, by `pipelines/examples/draw_truth.rs`. Nothing here is random but by a
generator that is handed in.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(__file__).resolve().parent

# As in pipelines/demo/mod.rs.
TRAINING_SEED, HELD_OUT_SEED = 1001, 2002
# (folder, seed, first scene, count, longer side in pixels). VALIDATION chooses, HELD_OUT only measures.
TRAINING = [("train0", TRAINING_SEED, 0, 2000, 640), ("train1", TRAINING_SEED, 2000, 2000, 640),
            ("train2", TRAINING_SEED, 4000, 2000, 640), ("large0", TRAINING_SEED, 50_000, 400, 1440)]
VALIDATION = ("val", TRAINING_SEED, 100_000, 200, 1600)
HELD_OUT = ("held", HELD_OUT_SEED, 0, 300, 1600)

OBJECTS = ["house", "tree", "boat", "cup", "ball", "apple", "vase", "lamp", "car", "lighthouse", "kite", "sun", "moon"]
GROUNDS = ["sky", "hills", "mountains", "meadow", "sea", "beach", "street", "table", "wall", "window"]
NOUNS = OBJECTS + GROUNDS
PLURALS = {"house": "houses", "tree": "trees", "boat": "boats", "cup": "cups", "ball": "balls", "apple": "apples",
           "vase": "vases", "lamp": "lamps", "car": "cars", "lighthouse": "lighthouses", "kite": "kites"}
COLOURS = ["black", "white", "grey", "cream", "brown", "red", "orange", "yellow", "green", "teal", "blue", "purple",
           "pink"]
TEMPLATES = ["{}", "{}", "{}", "{}", "a {}", "the {}", "one {}", "a photo of a {}", "a picture of a {}", "a small {}",
             "a large {}", "the {} on the left", "the {} in the background"]

# Words for what no scene shows, not even in part: texts that must score low.
STRANGERS = """
person man woman child boy girl baby people face hand dog cat horse cow sheep goat bird duck chicken fish
elephant lion tiger bear zebra giraffe monkey rabbit mouse snake frog spider bee butterfly insect bicycle
motorcycle bus truck train airplane helicopter rocket tram van tractor ship submarine anchor bridge traffic
fence gate stairs castle church temple statue fountain bench chair sofa bed desk shelf cupboard carpet curtain
mirror clock painting book newspaper letter pen pencil scissors knife fork spoon plate bowl bottle jar pan
kettle oven fridge sink toilet bath towel soap toothbrush phone laptop keyboard screen camera radio television
guitar piano drum violin trumpet hat cap shirt dress trousers shoe boot sock glove scarf umbrella suitcase
wallet ring necklace watch glasses banana pear grapes lemon cherry strawberry melon carrot potato tomato onion
pepper bread cheese egg cake biscuit pizza sandwich soup rice noodles coffee tea milk juice wine beer rose tulip
sunflower cactus mushroom river lake waterfall pond ice snow storm lightning rainbow desert cave cliff volcano
comet galaxy satellite robot dragon ghost angel crown sword shield helmet hammer saw drill screwdriver ladder
rope chain engine pipe wire battery candle fire smoke flag tent backpack compass map coin banknote ticket key
lock box basket bucket barrel crate broom brush paint skis skateboard surfboard tennis racket goal dice chess
puzzle teddy swing slide text logo
""".split()

PAD = 114


def draw(folder, part):
    """The scenes of a part (see TRAINING), drawn if the folder lacks them. Gives their truth, with full paths."""
    name, seed, first, count, side = part
    target = folder / name
    if not (target / "truth.jsonl").exists():
        command = ["cargo", "run", "--release", "-p", "pipelines", "--example", "draw_truth", "--"]
        subprocess.run([*command, str(target), *map(str, (seed, first, count, side))], cwd=ROOT, check=True)
    scenes = [json.loads(line) for line in (target / "truth.jsonl").read_text().splitlines()]
    for scene in scenes:
        for kind in ("", ".owners", ".grounds"):
            scene["path" + kind] = target / f"{scene['n']:06}{kind}.png"
    return scenes


def things(scene):
    """Objects, then backgrounds: (noun, colour or None, bounds, area)."""
    return [(o["noun"], o.get("colour"), o["bounds"], o["area"]) for o in scene["objects"] + scene["grounds"]]


def owners(scene):
    """Which of `things` each pixel shows, one more than its place, 0 for none."""
    objects = np.asarray(Image.open(scene["path.owners"]))
    grounds = np.asarray(Image.open(scene["path.grounds"]))
    return np.where(objects > 0, objects, np.where(grounds > 0, grounds + len(scene["objects"]), 0)).astype(np.uint8)


def phrase(noun, chance, colour=None):
    """One way of saying it."""
    if colour and chance.random() < 0.5:
        return f"{'a ' if chance.random() < 0.7 else ''}{colour} {noun}"
    if noun in PLURALS and chance.random() < 0.15:
        return PLURALS[noun]
    return TEMPLATES[chance.integers(len(TEMPLATES))].format(noun)


def stranger(chance):
    """A text that names nothing that a scene shows."""
    kind = chance.random()
    if kind < 0.85:
        return phrase(STRANGERS[chance.integers(len(STRANGERS))], chance)
    if kind < 0.95:
        return "".join(chr(97 + chance.integers(26)) for _ in range(chance.integers(2, 10)))
    return "".join(chr(0x4E00 + chance.integers(0x5000)) for _ in range(chance.integers(1, 8)))


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Texts:
    """Texts to L2-normalised embeddings."""

    def __init__(self):
        self.model = session(MODELS / "clip" / "text_model.onnx")
        self.tokenizer = Tokenizer.from_file(str(MODELS / "clip" / "tokenizer.json"))
        self.known = {}

    def __call__(self, texts):
        for text in texts:
            if text not in self.known:
                ids = np.array([self.tokenizer.encode(text).ids], np.int64)
                found = self.model.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
                self.known[text] = found / np.linalg.norm(found)
        return np.stack([self.known[text] for text in texts])


def letterbox(picture, side):
    """mmyolo's: sizes cut to whole pixels, mean of the area when shrinking, grey around. Gives pixels, scale, left, top."""
    scale = min(side / picture.width, side / picture.height)
    width, height = int(picture.width * scale), int(picture.height * scale)
    filter = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    left, top = (int(round((side - n) // 2 - 0.1)) for n in (width, height))
    left, top = max(left, 0), max(top, 0)
    out = Image.new("RGB", (side, side), (PAD, PAD, PAD))
    out.paste(picture.resize((width, height), filter), (left, top))
    return np.asarray(out), scale, left, top


def overlaps(a, b):
    """Intersection over union of each box of a with each of b."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area = lambda boxes: np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1)
    return both / np.maximum(area(a)[:, None] + area(b)[None] - both, 1e-9)


def suppress(boxes, scores, most):
    """Indices of the boxes that no better one overlaps by more than `most`, best first."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        kept.append(order[0])
        rest = order[1:]
        order = rest[overlaps(boxes[order[:1]], boxes[rest])[0] <= most]
    return np.array(kept, np.int64)


def detections(boxes, scores, scale, left, top, size, least=0.001):
    """From a model's answer for one picture to boxes of its pixels: as the pipeline's detector does it.

    Every (cell, class) above 0.001, the best 30,000; NMS by class at 0.7; the best 300; back to the picture, cut
    off at its edges; NMS of all classes at 0.5; above 0.005; the best 100. Gives boxes, scores, classes.
    """
    cells, classes = np.nonzero(scores > max(least, 0.001))
    values = scores[cells, classes]
    best = np.argsort(-values, kind="stable")[:30_000]
    found, classes, values = boxes[cells[best]], classes[best], values[best]
    kept = [np.zeros(0, np.int64)]
    for one in np.unique(classes):
        mine = np.nonzero(classes == one)[0]
        kept.append(mine[suppress(found[mine], values[mine], 0.7)])
    kept = np.concatenate(kept)
    kept = kept[np.argsort(-values[kept], kind="stable")][:300]
    found, classes, values = found[kept], classes[kept], values[kept]
    found = (found - np.array([left, top, left, top])) / scale
    found = np.clip(found, 0, np.array([size[0], size[1], size[0], size[1]]))
    kept = suppress(found, values, 0.5)
    kept = kept[values[kept] > 0.005][:100]
    return found[kept], values[kept], classes[kept]


def clip_crop(picture, box, side):
    """CLIP's way from a part of a picture to side x side: bicubic to the shorter edge, then the middle."""
    part = picture.crop(tuple(int(n) for n in box))
    short = min(part.size)
    size = [side if n == short else int(side * n / short) for n in part.size]
    part = part.resize(size, Image.Resampling.BICUBIC)
    left, top = ((n - side) // 2 for n in size)
    return part.crop((left, top, left + side, top + side))
