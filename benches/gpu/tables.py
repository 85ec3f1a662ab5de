"""What the program published, read back: pictures, their regions, and masks out of COCO's run lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


@dataclass
class Region:
    """As published; `mask` is COCO's `counts`."""

    kind: str
    noun: str
    box: np.ndarray
    mask: str
    scores: dict[str, float]


@dataclass
class Picture:
    height: int
    aesthetic: float
    regions: list[Region]


SCORES = ("score", "mask_score", "clip_score", "aes_score")


def pictures(out: Path) -> dict[str, Picture]:
    """All kept pictures, by their keys."""
    found = {}
    for row in pq.read_table(out / "data").to_pylist():
        kinds = row.get("segmentation") or {}
        regions = [
            Region(
                kind,
                region["class_name"],
                np.array(region["bbox"]),
                region["mask"],
                {name: region[name] for name in SCORES},
            )
            for kind in ("object", "background")
            for region in kinds.get(kind) or []
        ]
        found[row["key"]] = Picture(row["height"], row["aesthetic"], regions)
    return found


def rejected_scores(out: Path) -> list[float]:
    """The detector's scores of the regions that were held back, best first."""
    rows = pq.read_table(out / "regions_rejected", columns=["scores"]).to_pylist()
    return sorted((row["scores"]["score"] for row in rows), reverse=True)


def runs(counts: str) -> np.ndarray:
    """COCO's compressed run lengths: numbers of five bits a character, each from the third on less the one before the last."""
    lengths: list[int] = []
    value = shift = 0
    for character in counts.encode():
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return np.array(lengths, dtype=np.int64)


def mask(counts: str) -> np.ndarray:
    """A mask, flat, column by column: runs of outside and inside take turns, and the first is outside."""
    lengths = runs(counts)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def mask_iou(one: str, other: str) -> float:
    """Of two masks of one picture; two empty ones are the same."""
    one_mask, other_mask = mask(one), mask(other)
    if one_mask.shape != other_mask.shape:
        raise ValueError(f"masks of {one_mask.size} and {other_mask.size} pixels")
    either = np.count_nonzero(one_mask | other_mask)
    return np.count_nonzero(one_mask & other_mask) / either if either else 1.0


def box_iou(one: np.ndarray, other: np.ndarray) -> float:
    """Of two boxes by their corners."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return shared / max(areas - shared, 1e-9)
