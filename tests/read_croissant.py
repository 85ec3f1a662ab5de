"""Reads a folder by its croissant.json with `mlcroissant`, and prints what came as one JSON object: the records by record set (of a picture
the size that Pillow decodes it to), the properties of RAI, and the files whose SHA-256 is another than hashlib's."""

import hashlib
import json
import logging
import sys
from pathlib import Path

import mlcroissant
from PIL import Image


def said(value):
    if isinstance(value, Image.Image):
        return {"size": value.size}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name.rsplit("/", 1)[1]: said(below) for name, below in value.items()}
    if isinstance(value, list):
        return [said(below) for below in value]
    return value


logging.disable(logging.WARNING)
folder = Path(sys.argv[1])
# Raises where the file is not valid.
dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
assert dataset.metadata.ctx.is_v1_1(), dataset.metadata.conforms_to
records = {
    name: [said(record) for record in dataset.records(name)]
    for name in (record_set.id for record_set in dataset.metadata.record_sets)
}
text = json.loads((folder / "croissant.json").read_text())
files = {it["contentUrl"]: it["sha256"] for it in text["distribution"] if it["@type"] == "cr:FileObject"}
wrong = [name for name, hash in files.items() if hashlib.sha256((folder / name).read_bytes()).hexdigest() != hash]
rai = {name: value for name, value in text.items() if name.startswith("rai:")}
# What it has of them: each of ours is one that it knows.
told = json.dumps(dataset.metadata.to_json())
assert all(f'"{name}"' in told for name in rai), told
print(json.dumps({"records": records, "files": sorted(files), "wrong": wrong, "rai": rai}))
