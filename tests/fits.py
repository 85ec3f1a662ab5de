#!/usr/bin/env python3
"""Fits pictures into models' inputs by Pillow and OpenCV: fits.py OUT_DIR. Writes pictures as PNG and, for each way of fitting one, raw
RGB bytes; stdout is a JSON list of what was done."""
import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

OUT = Path(sys.argv[1])
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
done = []


def photo_like(width, height, seed):
    """Noise at several scales, as photographs have it."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for scale in (2, 5, 11, 40):
        small = rng.normal(size=(height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(small, (width, height)) * scale**0.5
    total = (total - total.min()) / (total.max() - total.min()) * 255
    return Image.fromarray(total.astype(np.uint8))


def resized(image, filter, size):
    if filter == "opencv_linear":
        return Image.fromarray(cv2.resize(np.asarray(image), size))
    return image.resize(size, FILTERS[filter])


def centre(image, size):
    left, top = ((a - b) // 2 for a, b in zip(image.size, size))
    return image.crop((left, top, left + size[0], top + size[1]))


def note(picture, image, filter, **said):
    name = f"{len(done)}.rgb"
    (OUT / name).write_bytes(image.tobytes())
    done.append({"picture": picture, "filter": filter, "bytes": name, "size": image.size, **said})


def fit_all(picture, image, filter):
    note(picture, resized(image, filter, (64, 48)), filter, fit="squash")
    note(picture, centre(resized(image, filter, (80, 70)), (65, 48)), filter, fit="squash_then_crop", resize=(80, 70))
    width, height = image.size
    short = min(width, height)
    scaled = tuple(50 * edge // short for edge in image.size)
    note(picture, centre(resized(image, filter, scaled), (48, 41)), filter, fit="shortest_side_then_crop", shortest_side=50)
    ratio = min(64 / width, 48 / height)
    inner = resized(image, filter, tuple(round(edge * ratio) for edge in image.size))
    for place in ("centre", "top_left"):
        left, top = ((a - b) // 2 if place == "centre" else 0 for a, b in zip((64, 48), inner.size))
        padded = Image.new("RGB", (64, 48), (114, 114, 114))
        padded.paste(inner, (left, top))
        note(picture, padded, filter, fit="letterbox", pad=114, place=place)
    # As PaddleOCR does, where the longest side allows.
    ratio = max(72 / short, 1.0)
    ratio = min(ratio, 200 / max(width, height)) if max(width, height) * ratio > 200 else ratio
    size = tuple(max(round(int(edge * ratio) / 32), 1) * 32 for edge in image.size)
    size = tuple(min(edge, 192) for edge in size)
    note(picture, resized(image, filter, size), filter, fit="keep_aspect", shortest_side=72, longest_side=200, multiple_of=32)


for at, (width, height) in enumerate([(150, 100), (61, 97), (40, 30), (257, 64), (60, 300)]):
    picture = f"{at}.png"
    image = photo_like(width, height, at)
    image.save(OUT / picture)
    for filter in (*FILTERS, "opencv_linear"):
        fit_all(picture, image, filter)
    for quality in (20, 75, 95, 100):
        with io.BytesIO() as file:
            small = resized(image, "opencv_linear", (65, 48))
            small.save(file, format="JPEG", quality=quality)
            note(picture, Image.open(file).convert("RGB"), "opencv_linear", fit="squash", jpeg_quality=quality)
json.dump(done, sys.stdout)
