"""Pictures that say how they want to be turned: in every format, every place, every type of number, twice, or wrongly."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

import rasters
from jpeg import segment
from jpegs import by_pillow, plane

ORIENTATION = 274
INTEGERS = [3, 3, 3, 4, 6, 8, 9, 13, 16]


def field(dice, wanted=None):
    """(tag, type, values) of an orientation."""
    number = int(wanted if wanted is not None else dice.choice([1, 2, 3, 4, 5, 6, 7, 8, 8, 6, 0, 9, 255]))
    kind = int(dice.choice(INTEGERS + [1, 2, 7, 5, 11, 12]))
    if kind == 5:
        return (ORIENTATION, 5, [(number * 3, 3)])
    if kind == 2:
        return (ORIENTATION, 2, [48 + number % 10, 0])
    if kind == 6:
        number = min(number, 127)
    return (ORIENTATION, kind, [number] * int(dice.choice([1, 1, 1, 2, 3])))


def exif(dice):
    end = "<" if dice.random() < 0.5 else ">"
    fields = [field(dice)]
    if dice.random() < 0.3:
        fields.append(field(dice))
    if dice.random() < 0.5:
        fields.insert(0, (271, 2, list(b"Maker of cameras\0")))
    if dice.random() < 0.1:
        fields.insert(0, (272, 2, list(b"x" * 40)))
    if dice.random() < 0.5:
        fields.append((282, 5, [(72, 1)]))
    if dice.random() < 0.1:
        fields = fields[1:]
    gap = b"\0" * int(dice.choice([0, 0, 6]))
    head = (b"II\x2a\0" if end == "<" else b"MM\0\x2a") + struct.pack(end + "I", 8 + len(gap))
    data = head + gap + rasters.directory(end, fields, 8 + len(gap))
    if dice.random() < 0.05:
        data = data[:int(dice.integers(len(data)))]
    return data


def xmp(dice):
    number = int(dice.integers(0, 10))
    said = [f'tiff:Orientation="{number}"', f"<tiff:Orientation>{number}</tiff:Orientation>", "tiff:Orientation='6'",
            'tiff:Orientation="x" tiff:Orientation="3"', "nothing"][dice.choice(5, p=[0.4, 0.4, 0.05, 0.05, 0.1])]
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {said}/></x:xmpmeta>'.encode()


def prefixed(dice, data):
    return b"Exif\0\0" * int(dice.choice([0, 0, 0, 1, 2])) + data


def jpeg(dice):
    data = by_pillow(dice)
    parts = b""
    for _ in range(int(dice.choice([0, 1, 1, 1, 2]))):
        parts += segment(0xE1, b"Exif\0\0" + prefixed(dice, exif(dice)))
    for _ in range(int(dice.choice([0, 0, 1, 1, 2]))):
        parts += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(dice))
    return data[:2] + parts + data[2:]


def raw_profile(data):
    return f"\nexif\n{len(data):8}\n{data.hex()}\n".encode()


def png(dice):
    chunks = []
    for _ in range(int(dice.choice([1, 1, 2]))):
        way = dice.integers(7)
        if way <= 1:
            chunks.append((b"eXIf", prefixed(dice, exif(dice))))
        elif way == 2:
            chunks.append((b"tEXt", b"Raw profile type exif\0" + raw_profile(prefixed(dice, exif(dice)))))
        elif way == 3:
            chunks.append((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(prefixed(dice, exif(dice))))))
        elif way == 4:
            chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(dice)))
        elif way == 5:
            chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(dice))))
        else:
            chunks.append((b"tEXt", b"Comment\0tiff:Orientation=\"6\""))
    cut = int(dice.integers(0, len(chunks) + 1))
    return rasters.png_by_hand(dice, chunks[:cut], chunks[cut:])


def webp(dice):
    frame = Image.fromarray(np.stack([plane(dice, 13, 9)] * 3, 2).astype(np.uint8))
    out = io.BytesIO()
    frame.save(out, "WEBP", lossless=True, exif=b"Exif\0\0MM", xmp=b"x")
    data = out.getvalue()
    # Anew: which chunks there are, and which the header announces.
    chunks, at = [], 12
    while at < len(data):
        length = struct.unpack("<I", data[at + 4:at + 8])[0]
        chunks.append((data[at:at + 4], data[at + 8:at + 8 + length]))
        at += 8 + length + length % 2
    head = bytearray(next(body for name, body in chunks if name == b"VP8X"))
    picture = next((name, body) for name, body in chunks if name in (b"VP8L", b"VP8 "))
    head[0] = head[0] & ~12 | int(dice.choice([0, 4, 8, 12, 12, 12]))
    made = [(b"VP8X", bytes(head)), picture]
    for _ in range(int(dice.choice([0, 1, 1, 2]))):
        made.append((b"EXIF", prefixed(dice, exif(dice))))
    for _ in range(int(dice.choice([0, 1, 1]))):
        made.append((b"XMP ", xmp(dice)))
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in made)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff(dice):
    """An orientation of every type; of two the writer keeps the order, so one of them only."""
    end = bool(dice.random() < 0.5)
    orientation = field(dice)[1:] if dice.random() < 0.8 else None
    more = [(700, (int(dice.choice([1, 7])), list(xmp(dice))))] if dice.random() < 0.4 else []
    return rasters.tiff_by_hand(dice, orientation, more, end)


KINDS = [("turned_jpeg", jpeg, "kept", 14), ("turned_png", png, "kept", 14), ("turned_webp", webp, "kept", 10), ("turned_tiff", tiff, "as Pillow", 10)]
