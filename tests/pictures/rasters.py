"""PNG, WebP, GIF, BMP and TIFF: by Pillow, and by hand where Pillow doesn't write what it reads."""

import contextlib
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image

from jpegs import plane


def pixels(dice, bands=3, largest=40):
    width, height = (int(side) for side in dice.integers(1, largest, 2))
    made = np.stack([plane(dice, width, height) for _ in range(bands)], 2).astype(np.uint8)
    return made[:, :, 0] if bands == 1 else made


def image(dice, mode):
    if mode == "I;16":
        return Image.fromarray(dice.integers(0, 65536, pixels(dice, 1).shape).astype(np.uint16))
    if mode in ("I", "F"):
        return Image.fromarray(pixels(dice, 1)).convert(mode)
    bands = {"1": 1, "L": 1, "P": 3, "LA": 4, "PA": 4}.get(mode, len(mode) if mode != "YCbCr" else 3)
    made = Image.fromarray(pixels(dice, bands))
    if mode == "P":
        return made.quantize(int(dice.choice([2, 3, 4, 16, 17, 200, 256])))
    if mode in ("CMYK", "RGBA", "RGB", "L"):
        return made if mode != "CMYK" else Image.fromarray(np.asarray(made), "CMYK")
    return made.convert(mode) if mode not in ("LAB", "YCbCr", "HSV") else Image.frombytes(mode, made.size, made.tobytes())


@contextlib.contextmanager
def silence():
    """libtiff talks on the terminal."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def saved(image, format, **options):
    out = io.BytesIO()
    with silence():
        image.save(out, format, **options)
    return out.getvalue()


# PNG

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_by_hand(dice, before=(), after=()):
    """Any colour type and depth, interlaced or not."""
    colour, depth = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)][dice.integers(15)]
    width, height = (int(side) for side in dice.integers(1, 40, 2))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    entries = int(dice.integers(1, 2 ** min(depth, 8) + 1)) if colour == 3 else 1 << depth
    samples = dice.integers(0, entries, (height, width, channels))
    interlaced = bool(dice.random() < 0.5)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size == 0:
            continue
        for row in part:
            values = row.reshape(-1)
            if depth == 16:
                packed = values.astype(">u2").tobytes()
            else:
                bits = (values[:, None] >> np.arange(depth - 1, -1, -1) & 1).astype(np.uint8)
                packed = np.packbits(bits.reshape(-1)).tobytes()
            raw += b"\0" + packed
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    if colour == 3:
        out += chunk(b"PLTE", dice.integers(0, 256, 3 * entries).astype(np.uint8).tobytes())
    if colour in (0, 2, 3) and dice.random() < 0.3:
        data = {0: lambda: struct.pack(">H", int(samples.flat[0])), 2: lambda: samples[0, 0].astype(">u2").tobytes(),
                3: lambda: dice.integers(0, 256, dice.integers(1, entries + 1)).astype(np.uint8).tobytes()}[colour]()
        out += chunk(b"tRNS", data)
    out += b"".join(chunk(*one) for one in before)
    out += chunk(b"gAMA", struct.pack(">I", 45455)) if dice.random() < 0.2 else b""
    packed = zlib.compress(raw)
    cut = int(dice.integers(0, len(packed)))
    out += chunk(b"IDAT", packed[:cut]) + chunk(b"IDAT", packed[cut:]) if dice.random() < 0.5 else chunk(b"IDAT", packed)
    return out + b"".join(chunk(*one) for one in after) + chunk(b"IEND", b"")


def png_by_pillow(dice):
    mode = str(dice.choice(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]))
    options = {"optimize": True} if dice.random() < 0.3 else {}
    if mode in ("P", "L", "RGB") and dice.random() < 0.3:
        options["transparency"] = (1, 2, 3) if mode == "RGB" else 0
    return saved(image(dice, mode), "PNG", **options)


def png_cut(dice):
    data = png_by_hand(dice)
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4:start])[0]
    if length < 30:
        return None
    packed = data[start + 4:start + 4 + length]
    if len(zlib.decompressobj().decompress(packed)) < 40 or data.count(b"IDAT") > 1:
        return None
    return data[:start - 4] + chunk(b"IDAT", packed[:int(dice.integers(2, length - 12))]) + chunk(b"IEND", b"")


# WebP

def webp(dice):
    mode = str(dice.choice(["RGB", "RGBA"]))
    options = {"lossless": bool(dice.random() < 0.5), "quality": int(dice.integers(0, 101)), "method": int(dice.integers(0, 7))}
    if dice.random() < 0.3:
        options["exact"] = True
    frame = image(dice, mode)
    if dice.random() < 0.25:
        size = frame.size
        options |= {"save_all": True, "append_images": [image(dice, mode).resize(size)], "duration": 100,
                    "background": tuple(int(level) for level in dice.integers(0, 256, 4))}
    return saved(frame, "WEBP", **options)


def webp_beside(dice):
    """An animation whose first frame is smaller than the canvas, and lies somewhere on it."""
    frame = image(dice, str(dice.choice(["RGB", "RGBA"])))
    other = image(dice, "RGB").resize(frame.size)
    data = bytearray(saved(frame, "WEBP", lossless=bool(dice.random() < 0.5), save_all=True, append_images=[other], duration=50,
                           background=tuple(int(level) for level in dice.integers(0, 256, 4))))
    if data[12:16] != b"VP8X":
        return None
    left, top = int(dice.integers(0, 4)), int(dice.integers(0, 4))
    for at, more in ((24, 2 * left + int(dice.integers(0, 5))), (27, 2 * top + int(dice.integers(0, 5)))):
        data[at:at + 3] = (int.from_bytes(data[at:at + 3], "little") + more).to_bytes(3, "little")
    at = data.index(b"ANMF") + 8
    data[at:at + 3], data[at + 3:at + 6] = left.to_bytes(3, "little"), top.to_bytes(3, "little")
    return bytes(data)


# GIF

def lzw(values, bits, clear_often=False):
    """Codes without a dictionary: cleared before it would grow the code's width."""
    clear, end = 1 << bits, (1 << bits) + 1
    width, out, value, count, since = bits + 1, bytearray(), 0, 0, 1 << 30

    def put(code):
        nonlocal value, count
        value |= code << count
        count += width
        while count >= 8:
            out.append(value & 255)
            value >>= 8
            count -= 8

    for one in values:
        if since >= (1 << bits) - 2:
            put(clear)
            since = 0
        put(int(one))
        since += 1
    if since >= (1 << bits) - 2:
        put(clear)
    put(end)
    if count:
        out.append(value & 255)
    blocks = b"".join(bytes([len(out[at:at + 255])]) + bytes(out[at:at + 255]) for at in range(0, len(out), 255))
    return bytes([bits]) + blocks + b"\0"


def gif_by_hand(dice, broken=False):
    width, height = (int(side) for side in dice.integers(1, 30, 2))
    screen = (width + int(dice.choice([0, 0, 3, 9])), height + int(dice.choice([0, 0, 4])))
    left, top = int(dice.integers(0, screen[0] - width + 1)), int(dice.integers(0, screen[1] - height + 1))
    if dice.random() < 0.06:
        left += 5
    bits = int(dice.integers(2, 9))
    has_global, has_local = [(True, False), (True, True), (False, True), (False, False)][dice.choice(4, p=[0.5, 0.2, 0.25, 0.05])]
    short = int(dice.random() < 0.2 and bits > 2)
    palette = lambda: dice.integers(0, 256, 3 << bits - short).astype(np.uint8).tobytes()
    out = b"GIF89a" + struct.pack("<HH", *screen) + bytes([(0x80 if has_global else 0) | bits - 1 - short, int(dice.integers(0, 1 << bits)), 0])
    out += palette() if has_global else b""
    if dice.random() < 0.4:
        out += b"!\xfe\x05hello\0"
    if dice.random() < 0.6:
        out += b"!\xf9\x04" + bytes([int(dice.integers(0, 4)) << 2 | int(dice.random() < 0.7), 9, 0, int(dice.integers(0, 1 << bits))]) + b"\0"
    interlaced = bool(dice.random() < 0.3)
    out += b"," + struct.pack("<HHHH", left, top, width, height) + bytes([(0x80 | bits - 1 - short if has_local else 0) | (0x40 if interlaced else 0)])
    out += palette() if has_local else b""
    values = dice.integers(0, 1 << bits, (height, width))
    if interlaced:
        values = np.concatenate([values[0::8], values[4::8], values[2::4], values[1::2]])
    values = values.reshape(-1)
    if broken:
        if len(values) < 20:
            return None
        values = values[:int(dice.integers(1, len(values) - 1))]
    return out + lzw(values, bits) + b";"


def gif_cut(dice):
    return gif_by_hand(dice, broken=True)


def gif_by_pillow(dice):
    frame = image(dice, str(dice.choice(["1", "L", "P", "RGB"])))
    options = {"interlace": int(dice.integers(0, 2))}
    if dice.random() < 0.3:
        options |= {"save_all": True, "append_images": [image(dice, "RGB").resize(frame.size)]}
    return saved(frame, "GIF", **options)


# BMP

def bmp_by_hand(dice):
    width, height = (int(side) for side in dice.integers(1, 30, 2))
    header = int(dice.choice([12, 40, 40, 40, 52, 56, 64, 108, 124]))
    bits = int(dice.choice([1, 4, 8, 24] if header == 12 else [1, 2, 4, 8, 16, 24, 32]))
    compression, masks = 0, b""
    if header >= 40 and bits in (16, 32) and dice.random() < 0.6:
        compression = 3
        choices = {16: [(0x7C00, 0x3E0, 0x1F, 0), (0xF800, 0x7E0, 0x1F, 0), (0xF00, 0xF0, 0xF, 0xF000)],
                   32: [(0xFF0000, 0xFF00, 0xFF, 0), (0xFF, 0xFF00, 0xFF0000, 0), (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
                        (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0x3FF00000, 0xFFC00, 0x3FF, 0)]}[bits]
        chosen = choices[dice.integers(len(choices))]
        masks = struct.pack("<4I", *chosen)[:16 if header >= 56 else 12]
    if header in (40, 64, 108, 124) and bits in (4, 8) and dice.random() < 0.5:
        compression = 2 if bits == 4 else 1
    top_down = header > 12 and compression in (0, 3) and bool(dice.random() < 0.3)
    entries = (1 << bits) if bits <= 8 else 0
    used = int(dice.integers(1, entries + 1)) if entries and header > 12 and dice.random() < 0.3 else entries
    palette = dice.integers(0, 256, (used, 3 if header == 12 else 4)).astype(np.uint8)
    beyond = dice.random() < 0.1
    values = dice.integers(0, min(used or 1 << 30, 1 << min(bits, 30)) if entries and not beyond else 2 ** bits, (height, width), dtype=np.int64)
    rows = [bmp_row(row, bits) for row in values]
    if compression in (1, 2):
        data = rle(dice, values, bits)
    else:
        data = b"".join(rows if top_down else rows[::-1])
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression, len(data), 2835, 2835, used if used != entries else 0, 0)
        extra = masks if header > 40 else b""
        info += extra + b"\0" * (header - 40 - len(extra))
    palette_bytes = (masks if header == 40 else b"") + palette.tobytes()
    # Even: Pillow reads runs by the place in the file.
    gap = b"\0" * int(dice.choice([0, 0, 0, 8]))
    offset = 14 + len(info) + len(palette_bytes) + len(gap)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette_bytes + gap + data


def bmp_row(row, bits):
    if bits <= 8:
        packed = np.packbits((row[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(-1)).tobytes()
    else:
        packed = b"".join(int(value).to_bytes(bits // 8, "little") for value in row)
    return packed + b"\0" * (-len(packed) % 4)


def rle(dice, values, bits):
    """Runs, stretches as they are, jumps."""
    out = bytearray()
    for row in values[::-1]:
        at = 0
        while at < len(row):
            left = len(row) - at
            way = dice.random()
            if way < 0.4 or left < 3:
                count = int(min(left, dice.integers(1, 9)))
                first, second = int(row[at]), int(row[min(at + 1, len(row) - 1)])
                out += bytes([count, first << 4 | second if bits == 4 else first])
            elif way < 0.95:
                count = int(min(left, dice.integers(3, 20)))
                part = [int(value) for value in row[at:at + count]]
                if bits == 4:
                    part = [part[i] << 4 | (part[i + 1] if i + 1 < len(part) else 0) for i in range(0, len(part), 2)]
                out += bytes([0, count]) + bytes(part) + b"\0" * (len(part) % 2)
            else:
                count = int(min(left, dice.integers(1, 5)))
                out += bytes([0, 2, count, 0])
            at += count
        out += b"\0\0"
    return bytes(out) + b"\0\1"


def bmp_by_pillow(dice):
    return saved(image(dice, str(dice.choice(["1", "L", "P", "RGB", "RGBA"]))), "BMP")


def bmp_cut(dice):
    data = bmp_by_hand(dice)
    offset = struct.unpack("<I", data[10:14])[0]
    if len(data) - offset < 40:
        return None
    return data[:int(dice.integers(offset, len(data) - 12))]


# TIFF

COMPRESSIONS = [None, "raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "group3", "group4", "tiff_ccitt", "zstd", "lzma", "webp"]


def tiff_by_pillow(dice):
    for _ in range(20):
        mode = str(dice.choice(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"]))
        options = {"compression": COMPRESSIONS[dice.integers(len(COMPRESSIONS))]}
        if options["compression"] in ("tiff_lzw", "tiff_adobe_deflate") and dice.random() < 0.4:
            options["tiffinfo"] = {317: 2}
        if options["compression"] == "jpeg":
            options["quality"] = int(dice.integers(30, 100))
        if dice.random() < 0.1:
            options["big_tiff"] = True
        if dice.random() < 0.3:
            options["strip_size"] = 64
        try:
            return saved(image(dice, mode), "TIFF", **options)
        except Exception:
            continue
    return None


def tiff_by_hand(dice, orientation=None, more=(), order=None, shift=0):
    """Raw or packed, in strips or tiles, of any colours, depth and order of bits and bytes."""
    little = bool(dice.random() < 0.5) if order is None else order
    end = "<" if little else ">"
    photometric, samples, extra = [(0, 1, ()), (1, 1, ()), (2, 3, ()), (3, 1, ()), (5, 4, ()), (6, 3, ()), (8, 3, ()), (1, 1, (2,)), (1, 1, (1,)), (1, 1, (0,)),
                                   (2, 3, (0,)), (2, 3, (1,)), (2, 3, (2,)), (2, 3, (0, 0)), (5, 4, (0,)), (2, 3, (2, 0))][dice.choice(16, p=[.1, .15, .2, .1, .05, .05] + [.035] * 10)]
    bits = int(dice.choice([1, 2, 4, 8, 8, 8, 16, 16, 12, 32])) if samples == 1 else int(dice.choice([8, 8, 8, 16, 32, 4]))
    count = samples + len(extra)
    width, height = (int(side) for side in dice.integers(1, 24, 2))
    format_ = int(dice.choice([1, 1, 1, 1, 2, 3] if bits in (16, 32) else [1, 1, 1, 2] if bits == 8 else [1]))
    planar = 2 if count > 1 and dice.random() < 0.2 else 1
    fill = 2 if dice.random() < 0.1 else 1
    predictor = 2 if bits in (8, 16) and dice.random() < 0.15 else 1
    tiled = bool(dice.random() < 0.2)
    packing = int(dice.choice([1, 1, 1, 8, 32946, 32773]))
    if predictor == 2 and packing in (1, 32773):
        packing = 8
    values = dice.integers(0, 2 ** min(bits, 31), (height, width, count), dtype=np.int64)
    if bits == 32 and format_ == 3:
        values = dice.uniform(0, 255, values.shape)
    size = (16, 16) if tiled else (width, int(dice.integers(1, height + 1)))
    blocks = []
    for part in ([values] if planar == 1 else [values[:, :, i:i + 1] for i in range(count)]):
        for y in range(0, height, size[1]):
            for x in range(0, width, size[0]):
                block = part[y:y + size[1], x:x + size[0]]
                if tiled:
                    block = np.pad(block, ((0, 16 - block.shape[0]), (0, 16 - block.shape[1]), (0, 0)))
                if predictor == 2:
                    block = np.concatenate([block[:, :1], np.diff(block, axis=1)], 1) % 2 ** bits
                data = b"".join(tiff_row(row.reshape(-1), bits, format_, end) for row in block)
                if fill == 2:
                    data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
                if packing in (8, 32946):
                    data = zlib.compress(data)
                elif packing == 32773:
                    data = b"".join(bytes([len(data[i:i + 100]) - 1]) + data[i:i + 100] for i in range(0, len(data), 100))
                blocks.append(data)
    tags = {256: (3, [width]), 257: (3, [height]), 258: (3, [bits] * count), 259: (3, [packing]), 262: (3, [photometric]), 277: (3, [count]), 284: (3, [planar])}
    if fill == 2:
        tags[266] = (3, [2])
    if extra:
        tags[338] = (3, list(extra))
    if format_ != 1:
        tags[339] = (3, [format_] * count)
    if predictor == 2:
        tags[317] = (3, [2])
    if photometric == 3:
        tags[320] = (3, [int(level) for level in dice.integers(0, 65536, 3 * 2 ** bits)] if bits <= 8 else [0] * 6)
    if photometric == 6:
        tags[530] = (3, [1, 1])
    if tiled:
        tags |= {322: (4, [16]), 323: (4, [16])}
    else:
        tags[278] = (3, [size[1]])
    if orientation is not None:
        tags[274] = orientation
    for tag, value in more:
        tags[tag] = value
    return tiff_file(end, tags, blocks, (324, 325) if tiled else (273, 279), shift)


def tiff_row(values, bits, format_, end):
    if bits in (8, 16, 32):
        kind = "f" if bits == 32 and format_ == 3 else "u"
        return values.astype(f"{end}{kind}{bits // 8}").tobytes()
    return np.packbits((values[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(-1)).tobytes()


SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 11: 4, 12: 8, 13: 4, 16: 8}
LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}


def directory(end, tags, at):
    """A directory at this place of the file, and the data behind it. `tags`: [(tag, type, values)] in order."""
    entries, data = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag, kind, values in tags:
        packed = b"".join(struct.pack(end + "II", *value) for value in values) if kind == 5 else struct.pack(f"{end}{len(values)}{LETTERS[kind]}", *values)
        entries += struct.pack(end + "HHI", tag, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(end + "I", behind + len(data))
            data += packed + b"\0" * (len(packed) % 2)
    return struct.pack(end + "H", len(tags)) + entries + b"\0\0\0\0" + data


def tiff_file(end, tags, blocks, places, shift=0):
    head = (b"II\x2a\0" if end == "<" else b"MM\0\x2a")
    data, offsets = b"", []
    for block in blocks:
        offsets.append(8 + len(data) + shift)
        data += block + b"\0" * (len(block) % 2)
    tags = tags | {places[0]: (4, offsets), places[1]: (4, [len(block) for block in blocks])}
    listed = [(tag, kind, values) for tag, (kind, values) in sorted(tags.items())]
    at = 8 + len(data)
    return head + struct.pack(end + "I", at) + data + directory(end, listed, at)


def tiff_cut(dice):
    data = tiff_by_hand(dice)
    return data[:int(dice.integers(8, len(data)))]


def tiff_pointing_elsewhere(dice):
    """Strips that begin behind the end of the file."""
    return tiff_by_hand(dice, shift=1 << int(dice.integers(13, 31)))


def flipped(make):
    def made(dice):
        data = bytearray(make(dice))
        for _ in range(int(dice.integers(1, 4))):
            data[int(dice.integers(4, len(data)))] ^= 1 << int(dice.integers(8))
        return bytes(data)
    return made


KINDS = [
    ("png_by_hand", png_by_hand, "kept", 12), ("png_by_pillow", png_by_pillow, "kept", 6), ("png_cut", png_cut, "refused", 5),
    ("webp", webp, "as Pillow", 10), ("webp_beside", webp_beside, "as Pillow", 3), ("gif_by_hand", gif_by_hand, "as Pillow", 14), ("gif_by_pillow", gif_by_pillow, "kept", 5), ("gif_cut", gif_cut, "refused", 5),
    ("bmp_by_hand", bmp_by_hand, "as Pillow", 14), ("bmp_by_pillow", bmp_by_pillow, "kept", 4), ("bmp_cut", bmp_cut, "refused", 4),
    ("tiff_by_hand", tiff_by_hand, "as Pillow", 20), ("tiff_by_pillow", tiff_by_pillow, "as Pillow", 14), ("tiff_cut", tiff_cut, "as Pillow", 3),
    ("tiff_pointing_elsewhere", tiff_pointing_elsewhere, "refused", 3),
    ("gif_flipped", flipped(gif_by_hand), "damaged", 2), ("bmp_flipped", flipped(bmp_by_hand), "damaged", 2), ("tiff_flipped", flipped(tiff_by_hand), "damaged", 3),
    ("png_flipped", flipped(png_by_hand), "damaged", 1), ("webp_flipped", flipped(webp), "damaged", 2),
]
