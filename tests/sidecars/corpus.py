"""A shard of odd sidecars, and what Python's own `json` makes of each: `corpus.py SEED COUNT FOLDER`.

Writes FOLDER/corpus.tar and FOLDER/expected.json, a list in the order of the shard. Of a `.json`: `refused` is "text" where Python
cannot decode the bytes, "json" where they hold no object, else null; `value` is what it read, with null for what no JSON can hold
(NaN, infinities, numbers beyond a 64-bit float) and U+FFFD for lone surrogates; `fields` are the names of which something was so
lost, `twice` whether a name stands twice. Of a `.txt`: its `caption`, and whether it is in no encoding of Unicode.
"""

import io
import json
import math
import random
import struct
import sys
import tarfile
import zlib

sys.set_int_max_str_digits(0)
CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
LARGEST = {32: 3.4028235677973366e38, 64: sys.float_info.max}


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def blank(dice):
    return dice.choice(["", "", "", " ", "\n", "\t", "\r\n  "])


def string(dice):
    parts = []
    for _ in range(dice.randrange(6)):
        parts.append(
            dice.choice(
                ["a dog", "é", "中文", "😀", "\\u00e9", "\\ud83d\\ude00", "\\n", "\\\\", '\\"', "\\/", "\\b\\f\\r\\t", "\\u0000"]
                + ["\n", "\t", "\x01", "\x1f", "\x7f", "\u2028", "NaN", "-Infinity", "{[,:", "\\ud83d", "\\ude00", "\\uD800\\uD800"]
                + (["\\ud83d\\u0041", "\\ud800x", "\ud83d", "\ude00\ud83d"] if dice.random() < 0.3 else [])
                + (["\\x41", "\\u12g4", "\\", "\\u12"] if dice.random() < 0.03 else [])
            )
        )
    return '"' + "".join(parts) + '"'


def number(dice):
    return dice.choice(
        ["0", "-0", "7", "-12.50", "1e3", "2E-3", "1.5e+2", "0.1", "123456789012345678901234567890", "9" * 400, "-" + "8" * 310]
        + ["NaN", "Infinity", "-Infinity", "1e308", "1e309", "-1e999", "1e-999", "3.4e38", "3.5e38", "4e38", "1" + "0" * 308]
        + (["01", "+1", ".5", "1.", "-", "-NaN", "nan", "Inf", "1e", "--1", "NaNa", "1NaN", "0x1"] if dice.random() < 0.03 else [])
    )


def value(dice, depth=0):
    kind = dice.randrange(9 if depth < 4 else 6)
    if kind < 2:
        return string(dice)
    if kind < 5:
        return number(dice)
    if kind == 5:
        return dice.choice(["true", "false", "null"])
    if kind < 8:
        items = [blank(dice) + value(dice, depth + 1) + blank(dice) for _ in range(dice.randrange(4))]
        return "[" + (",".join(items) or blank(dice)) + "]"
    return obj(dice, depth + 1)


def obj(dice, depth=0):
    names = []
    for place in range(dice.randrange(7)):
        plain = dice.choice("abcdefgh") + (str(place) if dice.random() < 0.9 else "")
        names.append('"' + plain + dice.choice([""] * 20 + ["\\ud800", "\\u00e9", "\n"]) + '"')
    fields = [blank(dice) + name + blank(dice) + ":" + blank(dice) + value(dice, depth) + blank(dice) for name in names]
    return "{" + (",".join(fields) or blank(dice)) + "}"


def sidecar(dice):
    text = blank(dice) + (obj(dice) if dice.random() < 0.97 else value(dice)) + blank(dice)
    if dice.random() < 0.05:
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(["", ",", "'", "}", "]", '"', "x", "\0"]) + text[at + dice.randrange(2) :]
    codec = dice.choice(CODECS)
    marked = "\ufeff" if codec[-3:] in ("-le", "-be") and dice.random() < 0.5 else ""
    raw = (marked + text).encode(codec, "surrogatepass")
    if dice.random() < 0.04 and raw:
        raw = raw[: dice.randrange(len(raw))]
    return raw


def strict(found):
    """What of a value any JSON can hold, and whether that is all of it."""
    if isinstance(found, str):
        text = "".join("\ufffd" if 0xD800 <= ord(letter) <= 0xDFFF else letter for letter in found)
        return text, text == found
    if isinstance(found, bool) or found is None:
        return found, True
    if isinstance(found, (int, float)):
        fits = abs(found) <= LARGEST[64] and not (isinstance(found, float) and math.isnan(found))
        return (found, True) if fits else (None, False)
    if isinstance(found, list):
        items = [strict(item) for item in found]
        return [item for item, _ in items], all(whole for _, whole in items)
    names, whole = {}, True
    for name, item in found.items():
        (name, name_whole), (item, item_whole) = strict(name), strict(item)
        names[name] = item
        whole = whole and name_whole and item_whole
    return names, whole


def expected_of_json(raw):
    twice = []

    def pairs(listed):
        twice.append(len(dict(listed)) < len(listed) or len({strict(name)[0] for name, _ in listed}) < len(listed))
        return dict(listed)

    try:
        found = json.loads(raw, strict=False, object_pairs_hook=pairs)
    except UnicodeDecodeError:
        return {"refused": "text"}
    except ValueError:
        return {"refused": "json"}
    if not isinstance(found, dict):
        return {"refused": "json"}
    fields = []
    for name, item in found.items():
        is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
        too_large = is_number and LARGEST[32] <= abs(item) <= LARGEST[64]
        if not strict({name: item})[1] or too_large:
            fields.append(strict(name)[0])
    return {"refused": None, "value": strict(found)[0], "fields": fields, "twice": any(twice)}


def prose(dice):
    """A caption as bytes, and what is expected of it."""
    latin = ["a", "dog", "café", "naïve", "“quoted”", "5 €", "– dash", "Ångström", "it’s"]
    others = ["中文", "日本語", "ไทย", "привет", "😀", "العربية"]
    is_latin = dice.random() < 0.6
    words = [dice.choice(latin if is_latin else latin + others) for _ in range(1 + dice.randrange(8))]
    text = dice.choice([" ", "\n", " \t"]).join(words)
    padded = dice.choice(["", " ", "\n"]) + text + dice.choice(["", "\n", "\r\n"])
    if is_latin and dice.random() < 0.25:
        raw = padded.encode("cp1252")
        mended = raw.decode("utf-8", "replace")
        if "\ufffd" in mended and all(ord(letter) < 128 or letter == "\ufffd" for letter in mended):
            return raw, {"caption": text, "guessed": True}
    codec = dice.choice(CODECS)
    # Without a mark, UTF-16 is told by the letters of ASCII in it.
    if codec[-3:] in ("-le", "-be") and (not is_latin or dice.random() < 0.5):
        padded = "\ufeff" + padded
    return padded.encode(codec), {"caption": text, "guessed": False}


def main(seed, count, folder):
    dice, picture, expected = random.Random(seed), png(), []
    with tarfile.open(f"{folder}/corpus.tar", "w") as tar:

        def add(name, data):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        for place in range(count):
            add(f"{place:06}.png", picture)
            if place % 4 == 3:
                raw, said = prose(dice)
                add(f"{place:06}.txt", raw)
            else:
                raw = sidecar(dice)
                said = expected_of_json(raw)
                add(f"{place:06}.json", raw)
            expected.append(said | {"bytes": repr(raw)})
    with open(f"{folder}/expected.json", "w", encoding="utf-8") as file:
        json.dump(expected, file, allow_nan=False)


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
