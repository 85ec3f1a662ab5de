"""Loads every configuration of a folder's card with Hugging Face `datasets`, whole and streamed, and prints what came as one JSON object."""

import json
import sys

from datasets import get_dataset_config_names, load_dataset

folder = sys.argv[1]
said = {}
for name in get_dataset_config_names(folder):
    whole = load_dataset(folder, name, split="train")
    rows = whole.to_list()
    streamed = list(load_dataset(folder, name, split="train", streaming=True))
    # As text: NaN is not itself.
    assert json.dumps(rows) == json.dumps(streamed), f"{name}: streamed, other rows come"
    said[name] = {"columns": {column: str(kind) for column, kind in whole.features.items()}, "rows": rows}
# One of them is loaded where none is named.
if said.keys() & {"default", "single_turn", "multi_turn"}:
    load_dataset(folder, split="train")
# JSON has no NaN.
print(json.dumps(json.loads(json.dumps(said), parse_constant=lambda _: None)))
