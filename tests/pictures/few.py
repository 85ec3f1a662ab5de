"""A few of the kinds, small, for a test that needs no Python: `python3 tests/pictures/few.py operators/fixtures/kinds`.

Writes NAME.EXT with Pillow's picture of it as NAME.png beside it, or CLASS__NAME.EXT, which must be refused with that class.
"""

import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

import jpegs
import rasters
from jpeg import Component, Picture, joined, segment


def picture(samplings, progressive=False, restart=0, size=(45, 37)):
    dice = np.random.default_rng(5)
    parts = [Component(i + 1, h, v, 7, jpegs.plane(dice, *size)) for i, (h, v) in enumerate(samplings)]
    return Picture(*size, parts, progressive, restart)


def file(made, *scans, cut=None):
    out = made.headers()
    for number, scan in enumerate(scans):
        header, intervals = made.scan(*scan)
        data = joined(intervals)
        out += header + (data[:len(data) // 2] if number == cut else data)
    return out + jpegs.EOI


def orientation(kind, *values, end="<"):
    return b"Exif\0\0" + (b"II\x2a\0" if end == "<" else b"MM\0\x2a") + struct.pack(end + "I", 8) + rasters.directory(end, [(274, kind, list(value)) for value in values], 8)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    usual = [(2, 2), (1, 1), (1, 1)]
    whole = picture(usual)
    one_scan = file(whole, ([0, 1, 2],))
    coarse = picture(usual, progressive=True)
    steps = [([0, 1, 2], 0, 0, 0, 1), ([0], 1, 63, 0, 0), ([1], 1, 63, 0, 0), ([2], 1, 63, 0, 0), ([0, 1, 2], 0, 0, 1, 0)]
    restarts = picture(usual, restart=2)
    header, intervals = restarts.scan([0, 1, 2])
    steps_restarted = file(picture(usual, progressive=True, restart=2), *steps)
    files = {
        "y_then_cb_cr.jpg": file(whole, ([0],), ([1, 2],)),
        "three_scans.jpg": file(whole, ([2],), ([0],), ([1],)),
        "luma_4x2.jpg": file(picture([(4, 2), (1, 1), (1, 1)]), ([0],), ([1],), ([2],)),
        "luma_1x4.jpg": file(picture([(1, 4), (1, 1), (1, 1)]), ([0, 1, 2],)),
        "chroma_2x2.jpg": file(picture([(1, 1), (2, 2), (2, 2)]), ([0, 1, 2],)),
        "across_2x1_down_1x2.jpg": file(picture([(2, 1), (1, 2), (1, 2)]), ([0, 1, 2],)),
        "four_parts.jpg": file(picture([(2, 2), (1, 1), (1, 1), (2, 2)]), ([0, 1, 2, 3],)),
        "progressive_parts.jpg": file(coarse, *steps),
        "exif_long.jpg": one_scan[:2] + segment(0xE1, orientation(4, [6])) + one_scan[2:],
        "exif_two.jpg": one_scan[:2] + segment(0xE1, orientation(3, [8], [3], end=">")) + one_scan[2:],
        "xmp_5.jpg": one_scan[:2] + segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<a tiff:Orientation="5"/>') + one_scan[2:],
        "exif_after_pixels.png": rasters.png_by_hand(np.random.default_rng(3), (), [(b"eXIf", orientation(3, [6]))]),
        "raw_profile.png": rasters.png_by_hand(np.random.default_rng(4), [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(
            f"\nexif\n  26\n{orientation(3, [7]).hex()}\n".encode()))]),
        "offset_frame.gif": rasters.gif_by_hand(np.random.default_rng(19)),
        "cut_picture__half_a_scan.jpg": file(whole, ([0, 1, 2],), cut=0),
        "cut_picture__half_of_the_first_scan.jpg": file(whole, ([0],), ([1, 2],), cut=0),
        "cut_picture__half_of_the_last_step.jpg": file(coarse, *steps, cut=4),
        "cut_picture__without_cr.jpg": file(whole, ([0],), ([1],)),
        "cut_picture__without_the_last_step.jpg": file(coarse, *steps[:-1]),
        "cut_picture__without_the_last_band.jpg": file(coarse, *steps[:3], steps[4]),
        "cut_picture__without_an_interval.jpg": restarts.headers() + header + joined(intervals[:1] + intervals[2:]) + jpegs.EOI,
        "cut_picture__without_the_last_interval.jpg": restarts.headers() + header + joined(intervals[:-1]) + jpegs.EOI,
        "cut_picture__restart_of_another_number.jpg": steps_restarted.replace(b"\xff\xd2", b"\xff\xd3", 1),
        "junk_behind_the_scan.jpg": one_scan[:-2] + b"\x5a" * 40 + jpegs.EOI,
        "unsupported_picture__two_colours_of_ink.jpg": file(picture([(1, 1), (1, 1)]), ([0, 1],)),
        "unsupported_picture__grey_upside_down_16.tiff": rasters.tiff_file("<", {256: (3, [2]), 257: (3, [1]), 258: (3, [16]), 259: (3, [1]), 262: (3, [0]), 277: (3, [1]), 278: (3, [1])}, [b"\1\2\3\4"], (273, 279)),
        "cut_picture__pixels_elsewhere.tiff": rasters.tiff_file("<", {256: (3, [2]), 257: (3, [1]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]), 278: (3, [1])}, [b"\1\2"], (273, 279), 1 << 20),
    }
    webp = Image.fromarray(np.full((9, 13, 3), 77, np.uint8))
    out = io.BytesIO()
    webp.save(out, "WEBP", lossless=True, exif=orientation(3, [1]))
    promise = bytearray(out.getvalue())
    promise[20] |= 4
    files["promised_xmp.webp"] = bytes(promise)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        if "__" not in name:
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
            image.save(folder / f"{name}.pillow.png")


main()
