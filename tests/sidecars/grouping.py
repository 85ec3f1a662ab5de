"""Tars as Python writes them, and the samples that webdataset finds in each: `grouping.py SEED COUNT FOLDER`.

Writes FOLDER/N.tar, and the same with files among them that no user made as FOLDER/N-litter.tar; and FOLDER/expected.json: of each
tar, [key, [extensions]] of its samples as webdataset groups the first, and how many files the second has more. (Of the second,
webdataset makes samples such as `s/` and `Thumbs`.)
"""

import io
import json
import random
import sys
import tarfile

from webdataset.tariterators import group_by_keys, tar_file_expander

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LITTER = ["._{}", "s/._{}", ".DS_Store", "__MACOSX/._{}", "Thumbs.db", "s/desktop.ini"]


def key(dice, place):
    folder = dice.choice(["", "", "s/", "a.b/", "deep/er/", "é/", "l" * 120 + "/"])
    return folder + dice.choice(["", "IMG_", "größe-", "a b "]) + f"{place:05}"


def members(dice, form):
    """The members of a tar as (name, type, whether it is litter), and the prefix of their names."""
    listed, prefix = [], dice.choice(["", "", "./"])
    for place in range(1 + dice.randrange(8)):
        stem = key(dice, place)
        if form == tarfile.USTAR_FORMAT and len(stem.encode()) > 90:
            stem = f"{place:05}"
        if dice.random() < 0.2:
            # A folder as V7 had it: a file without a type whose name ends with a slash.
            listed.append((f"folder{place}/", dice.choice([tarfile.DIRTYPE, tarfile.AREGTYPE]), False))
        extensions = ["jpg", "JSON", "txt", "cls", "seg.png", "input.PNG", "0.jpg", "pyd"]
        for extension in dice.sample(extensions, 1 + dice.randrange(4)):
            if dice.random() < 0.3:
                listed.append((dice.choice(LITTER).format(dice.choice(["x.jpg", "x.json"])), tarfile.REGTYPE, True))
            listed.append((f"{stem}.{extension}", tarfile.REGTYPE, False))
    return listed, prefix


def write(dice, path, litter_path):
    form = dice.choice(FORMATS)
    listed, prefix = members(dice, form)
    for path, with_litter in [(path, False), (litter_path, True)]:
        with tarfile.open(path, "w", format=form) as tar:
            for name, kind, is_litter in listed:
                if is_litter and not with_litter:
                    continue
                data = b"" if name.endswith("/") else name.encode()
                member = tarfile.TarInfo(prefix + name)
                member.size, member.type = len(data), kind
                tar.addfile(member, io.BytesIO(data))
    return prefix, sum(is_litter for _, _, is_litter in listed)


def found(path, prefix):
    with open(path, "rb") as stream:
        samples = group_by_keys(tar_file_expander([dict(url="x", stream=stream)]))
        read = [(sample["__key__"], sorted(name for name in sample if not name.startswith("__"))) for sample in samples]
    return [[name.removeprefix(prefix), extensions] for name, extensions in read]


def main(seed, count, folder):
    dice, expected = random.Random(seed), []
    for place in range(count):
        path = f"{folder}/{place}.tar"
        prefix, litter = write(dice, path, f"{folder}/{place}-litter.tar")
        expected.append({"samples": found(path, prefix), "litter": litter})
    with open(f"{folder}/expected.json", "w", encoding="utf-8") as file:
        json.dump(expected, file)


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
