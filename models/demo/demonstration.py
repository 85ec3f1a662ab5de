"""Marks the models of the demo as what they are: an entry of their metadata says that what they make of other pictures is not for training.

The entry is the last thing in the file, and no part of the hash by which Threshflow knows a model (operators/onnx/demonstration.rs).

    python models/demo/demonstration.py models/demo/*/*.onnx      # marks what is there, and leaves what is marked as it is
"""

import sys
from pathlib import Path

import onnx

KEY = "threshflow.demonstration"
VALUE = "Made for the drawn scenes of the demo. What it makes of other pictures is not for training."


def mark(model):
    """Marks a model that is not marked yet."""
    if all(entry.key != KEY for entry in model.metadata_props):
        model.metadata_props.add(key=KEY, value=VALUE)
    return model


def main():
    for path in map(Path, sys.argv[1:]):
        path.write_bytes(mark(onnx.load(path)).SerializeToString())


if __name__ == "__main__":
    main()
