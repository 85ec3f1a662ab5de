"""Makes the demo's scorer, `models/demo/aesthetic`: an ONNX graph that scores colour harmony and contrast.

The graph first measures the picture with fixed operations: brightness, its spread, colourfulness, and how
nearly all hues lie on one axis (the quantities of `Palette::harmony` in `pipelines/demo/palette.rs`, but taken
from pixels). A small head, fitted here on scenes that the demo's generator draws, turns the measures into a
score from 0 to 10. From the repository root:

    pip install -r models/demo/requirements.txt
    python models/demo/make_scorer.py

`--scenes FOLDER` keeps the drawn scenes there, and uses the ones that it already holds.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from demonstration import mark

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(__file__).resolve().parent / "aesthetic"

SHEET = ROOT / "docs" / "scenes.png"

SIDE = 224
CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
MEAN, STD = np.array(CLIP_MEAN, np.float32), np.array(CLIP_STD, np.float32)

# Seeds as in demo_scenes.py: (TRAINING_SEED, scenes), (HELD_OUT_SEED, scenes).
TRAINING = (1001, 6000)
HELD_OUT = (2002, 500)
# Pictures of one colour among the training scenes.
PLAIN = 200
# DEMO_SEED, and scenes of the demo's shards that stand in the README's picture.
DEMO = (1, 72)
SHOWN = [0, 2, 3, 4, 15, 24, 28, 30, 37, 41, 48, 50, 51, 57, 59, 67]

# Eight means over the picture, four measures made of them, eight means in each of seven bands.
FEATURES = 8 + 4 + 7 * 8


class Graph:
    """Nodes and constants in the making; each method adds one and gives its output's name."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(self, kind, *inputs, output=None, **attributes):
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def conv1x1(self, x, weights):
        weights = np.asarray(weights, np.float32)
        return self.node("Conv", x, self.constant(weights[:, :, None, None]), kernel_shape=[1, 1])

    def pick(self, x, *sums):
        """Weighted sums of the eight means, each given as {mean: weight}."""
        weights = [[weight.get(mean, 0.0) for weight in sums] for mean in range(8)]
        return self.node("MatMul", x, self.constant(weights))

    def model(self, output, width):
        pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])
        graph = helper.make_graph(self.nodes, "threshflow_demo_scorer", [pixels], [result], self.constants)
        model = helper.make_model(
            graph,
            producer_name="threshflow",
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
            doc_string="Colour harmony and contrast of a picture, 0 to 10. Made by models/demo/make_scorer.py.",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def measure(g):
    """Adds the fixed part. Gives the name of the features, [batch, FEATURES]."""
    x = g.node("AveragePool", "pixel_values", kernel_shape=[4, 4], strides=[4, 4])
    x = g.node("Mul", x, g.constant(STD.reshape(1, 3, 1, 1)))
    rgb = g.node("Add", x, g.constant(MEAN.reshape(1, 3, 1, 1)))
    # Brightness, red against green, yellow against blue: `Rgb::opponent`.
    yab = g.conv1x1(rgb, [[0.299, 0.587, 0.114], [1, -1, 0], [0.5, 0.5, -1]])
    squares = g.node("Mul", yab, yab)
    ab = g.node("Mul", g.conv1x1(yab, [[0, 1, 0]]), g.conv1x1(yab, [[0, 0, 1]]))
    chroma = g.node("Sqrt", g.node("Add", g.conv1x1(squares, [[0, 1, 1]]), g.constant(1e-6)))
    maps = g.node("Concat", yab, squares, ab, chroma, axis=1)
    # Means in steps (of 8 x 8, then 7 x 1, then 7): long sums would round differently in every runtime.
    cells = g.node("AveragePool", maps, kernel_shape=[8, 8], strides=[8, 8])
    bands = g.node("AveragePool", cells, kernel_shape=[1, 7], strides=[1, 7])
    # Over the whole picture: 0 y, 1 a, 2 b, 3 yy, 4 aa, 5 bb, 6 ab, 7 chroma.
    whole = g.node("Flatten", g.node("GlobalAveragePool", bands), axis=1)
    bands = g.node("Flatten", bands, axis=1)

    middle = g.pick(whole, {0: 1})
    variance = g.node("Sub", g.pick(whole, {3: 1}), g.node("Mul", middle, middle))
    contrast = g.node("Sqrt", g.node("Add", g.node("Relu", variance), g.constant(1e-6)))
    axis = g.pick(whole, {4: 1, 5: -1}, {6: 2})
    squared = g.node("MatMul", g.node("Mul", axis, axis), g.constant([[1.0], [1.0]]))
    length = g.node("Sqrt", g.node("Add", squared, g.constant(1e-10)))
    power = g.node("Add", g.pick(whole, {4: 1, 5: 1}), g.constant(1e-4))
    accord = g.node("Div", length, power)
    colour = g.pick(whole, {7: 1})
    product = g.node("Mul", g.node("Mul", contrast, colour), accord)
    taste = g.node("Sqrt", g.node("Add", g.node("Relu", product), g.constant(1e-8)))
    return g.node("Concat", whole, contrast, accord, colour, taste, bands, axis=1)


def head(g, features, layers):
    """Adds the fitted part: Gemm and Relu by turns, cut to the scale's ends."""
    x = features
    for i, (weights, bias) in enumerate(layers):
        x = g.node("Gemm", x, g.constant(weights), g.constant(bias))
        if i + 1 < len(layers):
            x = g.node("Relu", x)
    return g.node("Clip", x, g.constant(0.0), g.constant(10.0), output="aesthetic_score")


def preprocess(path):
    """CLIP's: bicubic to a shorter side of 224, the middle 224 x 224, normalised."""
    picture = Image.open(path).convert("RGB")
    short = min(picture.size)
    size = [SIDE if n == short else int(SIDE * n / short) for n in picture.size]
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = (round((n - SIDE) / 2) for n in size)
    pixels = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


def draw_scenes(*words):
    """Runs the generator's example program."""
    command = ["cargo", "run", "--release", "-p", "pipelines", "--example", "draw_scenes", "--"]
    subprocess.run([*command, *map(str, words)], cwd=ROOT, check=True)


def draw(folder, seed, count):
    """Scenes 0 to count of a seed, drawn by the demo's own generator. Gives paths and harmonies."""
    table = folder / "scenes.csv"
    if not table.exists():
        draw_scenes(folder, seed, count)
    rows = list(csv.DictReader(table.open()))
    return [folder / row["file"] for row in rows], np.array([float(row["harmony"]) for row in rows], np.float32)


def plain(count, seed=11):
    """Pictures of one colour, as the model takes them: nothing in them has contrast, so they score 0."""
    colours = np.random.default_rng(seed).random((count, 3), np.float32)
    return np.broadcast_to(((colours - MEAN) / STD)[:, :, None, None], (count, 3, SIDE, SIDE))


def run(model, paths, batch=64):
    """The model's only output for each picture, given by path or by pixels."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    batches = (paths[i : i + batch] for i in range(0, len(paths), batch))
    return np.concatenate(
        [session.run(None, {"pixel_values": np.stack([prepared(p) for p in some])})[0] for some in batches]
    )


def prepared(picture):
    return preprocess(picture) if isinstance(picture, Path) else picture


def fit(features, targets, sizes=(32, 16), epochs=220, batch=128, seed=7):
    """A small perceptron by Adam on squared error. The scaling of its inputs is folded into the first layer."""
    chance = np.random.default_rng(seed)
    middle, spread = features.mean(0), features.std(0) + 1e-4
    x, y = (features - middle) / spread, (targets[:, None] - targets.mean()) / targets.std()
    widths = [x.shape[1], *sizes, 1]
    layers = [
        [chance.normal(0, np.sqrt(2 / inputs), (inputs, outputs)), np.zeros(outputs)]
        for inputs, outputs in zip(widths, widths[1:])
    ]
    moments = [[[np.zeros_like(p), np.zeros_like(p)] for p in layer] for layer in layers]
    step = 0
    for epoch in range(epochs):
        rate = 3e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        order = chance.permutation(len(x))
        for start in range(0, len(x), batch):
            some, step = order[start : start + batch], step + 1
            values = [x[some]]
            for i, (weights, bias) in enumerate(layers):
                out = values[-1] @ weights + bias
                values.append(np.maximum(out, 0) if i + 1 < len(layers) else out)
            slope = 2 * (values[-1] - y[some]) / len(some)
            for i in reversed(range(len(layers))):
                weights, bias = layers[i]
                slopes = [values[i].T @ slope + 1e-4 * weights, slope.sum(0)]
                slope = (slope @ weights.T) * (values[i] > 0)
                for parameter, gradient, (mean, square) in zip(layers[i], slopes, moments[i]):
                    mean += 0.1 * (gradient - mean)
                    square += 0.001 * (gradient**2 - square)
                    scale = np.sqrt(square / (1 - 0.999**step)) + 1e-8
                    parameter -= rate * mean / (1 - 0.9**step) / scale
    first, last = layers[0], layers[-1]
    first[1] -= (middle / spread) @ first[0]
    first[0] /= spread[:, None]
    last[0] *= targets.std()
    last[1] = last[1] * targets.std() + targets.mean()
    return layers


def rank_correlation(a, b):
    """Spearman's; ties are rare enough not to matter."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def write(model):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "model.onnx").write_bytes(mark(model).SerializeToString())
    config = {
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": CLIP_MEAN,
        "image_processor_type": "CLIPImageProcessor",
        "image_std": CLIP_STD,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": SIDE},
    }
    (OUT / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


def show(model, folder):
    """Draws docs/scenes.png: scenes of the demo from the lowest score to the highest."""
    paths, _ = draw(folder / "demo", *DEMO)
    scores = run(model, paths)[:, 0]
    chosen = sorted(SHOWN, key=lambda n: scores[n])
    draw_scenes("sheet", SHEET, DEMO[0], 4, *(f"{n}={scores[n]:.3f}" for n in chosen))
    Image.open(SHEET).save(SHEET, optimize=True)


def make(folder):
    paths, harmonies = draw(folder / "training", *TRAINING)
    measures = Graph()
    plains = list(plain(PLAIN))
    features = run(measures.model(measure(measures), FEATURES), [*paths, *plains])
    targets = np.concatenate([harmonies, np.zeros(len(plains))])
    layers = fit(features.astype(np.float64), targets.astype(np.float64))
    scorer = Graph()
    model = scorer.model(head(scorer, measure(scorer), layers), 1)
    write(model)
    for name, (paths, harmonies) in {
        "training": (paths, harmonies),
        "held out": draw(folder / "held_out", *HELD_OUT),
    }.items():
        scores = run(model, paths)[:, 0]
        kept = ", ".join(f"{(scores > dial).mean():.0%} above {dial}" for dial in (4.0, 4.75, 5.5))
        print(
            f"{name}: {len(paths)} scenes, rank correlation {rank_correlation(scores, harmonies):.4f}, "
            f"mean error {np.abs(scores - harmonies).mean():.3f}, "
            f"scores {scores.mean():.2f} +- {scores.std():.2f}, {kept}"
        )
    show(model, folder)
    print(f"{OUT / 'model.onnx'}: {(OUT / 'model.onnx').stat().st_size} bytes")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--scenes", type=Path, help="folder of drawn scenes (default: a temporary one)")
    folder = arguments.parse_args().scenes
    if folder:
        make(folder.resolve())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            make(Path(temporary))


if __name__ == "__main__":
    main()
