"""JPEG files: whole ones of every kind, and ones that are cut, damaged or full of junk."""

import io
import shutil
import subprocess

import numpy as np
from jpeg import Component, Picture, joined, segment
from PIL import Image

EOI = b"\xff\xd9"
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def plane(dice, width, height):
    """Smooth, with an edge and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    a, b, c = dice.uniform(-3, 3, 3)
    values = 128 + 60 * np.sin(a * x / 9 + b) + 50 * np.cos(c * y / 7)
    values += np.where(x + dice.uniform(0, 2) * y > dice.uniform(0, 2) * width, 40, -40)
    return (values + dice.normal(0, dice.choice([0, 3, 20]), values.shape)).clip(0, 255)


def samplings(dice, count):
    """Most of them whole parts of each other, as decoders want it."""
    while True:
        found = [tuple(int(side) for side in dice.integers(1, 5, 2)) for _ in range(count)]
        most = [max(sides) for sides in zip(*found)]
        if dice.random() < 0.1 or all(most[0] % h == 0 and most[1] % v == 0 for h, v in found):
            return found


USUAL = [[(1, 1)] * 3, [(2, 1), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)]]
RARE = [[(4, 2), (1, 1), (1, 1)], [(1, 4), (1, 1), (1, 1)], [(2, 1), (1, 2), (1, 2)], [(1, 1), (2, 2), (2, 2)], [(4, 1), (1, 1), (1, 1)],
        [(2, 2), (2, 1), (2, 1)], [(2, 2), (1, 2), (1, 2)], [(1, 1), (2, 1), (1, 1)], [(2, 2), (2, 1), (1, 2)], [(4, 2), (2, 1), (2, 1)]]


def picture(dice, progressive):
    width, height = (int(side) for side in dice.integers(1, 80, 2))
    count = int(dice.choice([1, 3, 3, 3, 3, 4]))
    if count == 3 and dice.random() < 0.7:
        chosen = (USUAL + RARE)[dice.integers(len(USUAL) + len(RARE))]
    else:
        chosen = samplings(dice, count)
    idents = [[1, 2, 3, 4], [0, 1, 2, 3], [82, 71, 66, 75], [9, 5, 7, 200]][dice.choice(4, p=[0.7, 0.1, 0.1, 0.1])]
    quant = [int(step) for step in dice.integers(1, 40, 4)]
    parts = [Component(idents[i], *chosen[i], quant[i], plane(dice, width, height)) for i in range(count)]
    restart = int(dice.choice([0, 0, 1, 3, 7]))
    made = Picture(width, height, parts, progressive, restart)
    extra = [b"", JFIF, adobe(0), adobe(1), adobe(2), JFIF + adobe(1)][dice.choice(6, p=[0.3, 0.4, 0.1, 0.1, 0.05, 0.05])]
    return made, extra


def fits(made, group):
    return len(group) == 1 or sum(made.components[i].h * made.components[i].v for i in group) <= 10


def groups(dice, made):
    """Components in one scan, or several, in any order."""
    order = list(range(len(made.components)))
    if dice.random() < 0.5 and fits(made, order):
        return [order]
    order = [int(i) for i in dice.permutation(order)]
    cuts = [dice.random() < 0.6 for _ in order[1:]] + [True]
    found, now = [], []
    for i, cut in zip(order, cuts):
        now.append(i)
        if cut:
            # Within a scan, components stand as in the frame.
            found, now = found + [sorted(now)], []
    return [part for group in found for part in ([group] if fits(made, group) else [[i] for i in group])]


def baseline_scans(dice, made):
    return [(group, 0, 63, 0, 0) for group in groups(dice, made)]


def progressive_scans(dice, made):
    low = int(dice.choice([0, 0, 1, 2]))
    scans = [(group, 0, 0, 0, low) for group in groups(dice, made)]
    later = [[(group, 0, 0, bit + 1, bit) for group in groups(dice, made)] for bit in range(low - 1, -1, -1)]
    chains = [[scan for scans in later for scan in scans]]
    for i in range(len(made.components)):
        edges = sorted({1, 64, *(int(e) for e in dice.choice(np.arange(2, 64), dice.integers(0, 4)))})
        for first, end in zip(edges, edges[1:]):
            low = int(dice.choice([0, 0, 1, 2, 3]))
            chain = [([i], first, end - 1, 0, low)]
            chains.append(chain + [([i], first, end - 1, bit + 1, bit) for bit in range(low - 1, -1, -1)])
    chains = [chain for chain in chains if chain]
    while chains:
        at = dice.integers(len(chains))
        scans.append(chains[at].pop(0))
        chains = [chain for chain in chains if chain]
    return scans


def whole(dice):
    """Header, scans as (header, intervals), the picture."""
    progressive = bool(dice.random() < 0.4)
    made, extra = picture(dice, progressive)
    scans = (progressive_scans if progressive else baseline_scans)(dice, made)
    return made.headers(extra), [made.scan(*scan) for scan in scans], made


def file(headers, scans):
    return headers + b"".join(header + joined(intervals) for header, intervals in scans) + EOI


def sound(dice):
    return file(*whole(dice)[:2])


def with_junk(dice):
    """Between headers, before the first scan: any bytes but 0xFF; fill bytes before any marker; anything behind the end."""
    headers, scans, _ = whole(dice)
    at = headers.index(b"\xff\xdb")
    junk = bytes(int(byte) for byte in dice.integers(0, 255, dice.integers(1, 30)))
    headers = headers[:at] + (junk if dice.random() < 0.6 else b"\xff" * 3) + headers[at:]
    data = file(headers, scans)
    return data + bytes(int(byte) for byte in dice.integers(0, 256, dice.integers(0, 50)))


def padded(dice):
    """Zeros between the last scan and the end."""
    headers, scans, _ = whole(dice)
    return file(headers, scans)[:-2] + bytes(int(dice.integers(1, 40))) + EOI


def cut_in_a_scan(dice):
    """A scan breaks off; the next header, or the end-of-image marker, follows at once."""
    headers, scans, _ = whole(dice)
    at = int(dice.integers(len(scans)))
    header, intervals = scans[at]
    data = joined(intervals)
    if len(data) < 8:
        return None
    data = data[:int(dice.integers(1, len(data) - 4))].rstrip(b"\xff")
    rest = scans[at + 1:] if dice.random() < 0.5 else []
    return headers + b"".join(h + joined(i) for h, i in scans[:at]) + header + data + b"".join(h + joined(i) for h, i in rest) + EOI


def without_scans(dice):
    """The last scans are missing, or one in the middle that nothing later stands on."""
    headers, scans, made = whole(dice)
    if len(scans) < 2:
        return None
    if dice.random() < 0.5 or made.progressive:
        return file(headers, scans[:int(dice.integers(1, len(scans)))])
    at = int(dice.integers(len(scans)))
    return file(headers, scans[:at] + scans[at + 1:])


def without_an_interval(dice):
    headers, scans, made = whole(dice)
    at = int(dice.integers(len(scans)))
    header, intervals = scans[at]
    if len(intervals) < 2:
        return None
    gone = int(dice.integers(len(intervals)))
    parts = [(bytes([0xFF, 0xD0 + (n - 1) % 8]) if n else b"") + data for n, data in enumerate(intervals) if n != gone]
    data = b"".join(parts)
    if gone == 0:
        data = data[2:]
    return headers + b"".join(h + joined(i) for h, i in scans[:at]) + header + data + b"".join(h + joined(i) for h, i in scans[at + 1:]) + EOI


def without_an_end(dice):
    data = sound(dice)
    return data[:-int(dice.choice([1, 2, 3, 20]))]


def arithmetic(dice):
    return None if CJPEG is None else by_cjpeg(dice, ["-arithmetic"])


def bit_flipped(dice):
    data = bytearray(sound(dice))
    for _ in range(int(dice.integers(1, 4))):
        data[int(dice.integers(20, len(data)))] ^= 1 << int(dice.integers(8))
    return bytes(data)


def source(dice):
    width, height = (int(side) for side in dice.integers(1, 90, 2))
    return Image.fromarray(np.stack([plane(dice, width, height) for _ in range(3)], 2).astype(np.uint8))


def by_pillow(dice):
    image = source(dice).convert(str(dice.choice(["RGB", "RGB", "RGB", "L", "CMYK"])))
    options = {"quality": int(dice.integers(1, 101)), "progressive": bool(dice.random() < 0.4), "optimize": bool(dice.random() < 0.4)}
    if image.mode == "RGB":
        options["subsampling"] = int(dice.integers(0, 3))
        if dice.random() < 0.2:
            options |= {"keep_rgb": True, "subsampling": 0}
    if dice.random() < 0.3:
        options["restart_marker_blocks"] = int(dice.integers(1, 9))
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


CJPEG = shutil.which("cjpeg")


def by_cjpeg(dice, more=()):
    if CJPEG is None:
        return None
    options = ["-quality", str(int(dice.integers(1, 101))), *more]
    factors = [f"{int(dice.integers(1, 5))}x{int(dice.integers(1, 5))}" for _ in range(int(dice.integers(1, 4)))]
    options += ["-sample", ",".join(factors)] if dice.random() < 0.7 else []
    options += ["-progressive"] if dice.random() < 0.3 and not more else []
    options += ["-optimize"] if dice.random() < 0.3 else []
    options += ["-restart", f"{int(dice.integers(1, 6))}{dice.choice(['', 'B'])}"] if dice.random() < 0.3 else []
    options += ["-dct", str(dice.choice(["int", "fast", "float"]))] if dice.random() < 0.3 else []
    options += [str(dice.choice(["-grayscale", "-rgb"]))] if dice.random() < 0.2 else []
    pixels = io.BytesIO()
    source(dice).save(pixels, "PPM")
    done = subprocess.run([CJPEG, *options], input=pixels.getvalue(), capture_output=True)
    return done.stdout if done.returncode == 0 else None


# Name, maker, what must become of it ("as Pillow", "kept", "refused"), how many of a hundred.
KINDS = [
    ("sound", sound, "as Pillow", 30), ("pillow", by_pillow, "kept", 12), ("cjpeg", by_cjpeg, "as Pillow", 12), ("junk", with_junk, "as Pillow", 5),
    ("padded", padded, "as Pillow", 3), ("cut_in_a_scan", cut_in_a_scan, "refused", 14), ("without_scans", without_scans, "refused", 8),
    ("without_an_interval", without_an_interval, "refused", 6), ("without_an_end", without_an_end, "refused", 4),
    ("arithmetic", arithmetic, "refused", 2), ("bit_flipped", bit_flipped, "damaged", 4),
]
