"""Streams every configuration with pictures of a folder's card with Hugging Face `datasets`, and prints what came as one JSON object: of each
picture its path, its bytes (base64), and the size that Pillow decodes it to. With a second folder: loads the parquet files by themselves."""

import base64
import json
import sys
from pathlib import Path

import datasets
from datasets import Image, get_dataset_config_names, load_dataset, load_dataset_builder
from PIL import Image as Pillow


def stored(feature):
    """The same feature, its pictures as they are stored."""
    if isinstance(feature, Image):
        return Image(decode=False)
    if isinstance(feature, datasets.List):
        return datasets.List(stored(feature.feature))
    if isinstance(feature, dict):
        return {name: stored(below) for name, below in feature.items()}
    return feature


def said(decoded, kept):
    """What the row is, its pictures as JSON."""
    if isinstance(decoded, Pillow.Image):
        decoded.load()
        return {"path": kept["path"], "bytes": base64.b64encode(kept["bytes"]).decode(), "size": decoded.size}
    if isinstance(decoded, dict):
        return {name: said(value, kept[name]) for name, value in decoded.items()}
    if isinstance(decoded, list):
        assert len(decoded) == len(kept)
        return [said(*both) for both in zip(decoded, kept)]
    assert decoded == kept
    return decoded


folder = sys.argv[1]
rows = {}
for name in get_dataset_config_names(folder):
    if name == "details":
        continue
    # The card says so before any file is read.
    features = load_dataset_builder(folder, name).info.features
    streamed = load_dataset(folder, name, split="train", streaming=True)
    as_stored = streamed.cast(datasets.Features(stored(dict(features))))
    rows[name] = [said(*both) for both in zip(streamed, as_stored, strict=True)]
# Not streamed, and by the files' own footers, without a card.
first = sorted(Path(folder, "Parquet").glob("*.parquet"))[0]
whole = load_dataset("parquet", data_files=str(first), split="train")
assert "Image" in str(whole.features), whole.features
print(json.dumps({"rows": rows, "features": datasets.Features(whole.features)._to_yaml_list(), "whole": str(whole[0])}))
