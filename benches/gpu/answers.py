"""Step 5: the same pictures by two ways of computing: on a GPU and on the CPU.

Without a GPU, scores are compared with those of the embedded back-end. It does not take SAM 2 (whose positions are resized
cubically), so that regions are compared with those of a run on one core, which sums in another order.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import tables
from children import Bench, Failed, say
from pipelines import OPEN, recap_words, set_words, shards, threshold

# The most that answers may differ. Both compute in 32 bits, so what is over this is no rounding.
MOST = {
    "score": 0.005,
    "clip_score": 0.01,
    "mask_score": 0.01,
    "aesthetic": 0.02,
    "aes_score": 0.02,
    "resnet18": 0.002,
    "box_px": 1.0,
}
LEAST_MASK_IOU = 0.99
# Two regions are the same one from here on; so many must have their like.
SAME_BOX = 0.9
LEAST_MATCHED = 0.97


@dataclass
class Way:
    """How a run computes."""

    device: str
    backend: str = "onnxruntime"
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.device, self.backend, *self.flags))


def other_ways(bench: Bench) -> tuple[Way, Way]:
    """What the device's scores are compared with, and its regions."""
    if bench.on_gpu:
        return Way("cpu"), Way("cpu")
    return Way("cpu", "embedded"), Way("cpu", flags=("--cores=1",))


def answers(bench: Bench, found: dict[str, Any], failures: list[str]) -> None:
    """Step 5."""
    counts = bench.results["pictures"]
    ways = other_ways(bench)
    parts = [
        ("scores", ways[0], lambda: scores(bench, counts["answers_scored"], ways[0])),
        ("regions", ways[1], lambda: regions(bench, counts["answers_recap"], ways[1])),
    ]
    for part, way, compare in parts:
        try:
            found[part] = compare()
        except (Failed, OSError, ValueError, KeyError) as failed:
            failures.append(f"{part}: {failed}")
            continue
        found[part]["compared"] = f"{Way(bench.device)}, and {way}"
        say(f"  {part} of {found[part]['pictures']} pictures by {found[part]['compared']}: largest and mean difference")
        for kind, it in found[part]["differences"].items():
            say(
                f"    {kind:11} {it['largest']:.2e} {it['mean']:.2e} of {it['count']}, which are spread by {it['spread']:.2e}"
            )
            if not it["largest"] <= MOST[kind]:
                failures.append(f"{kind} differs by {it['largest']:.3g}, and {MOST[kind]} is the most")
        if part == "regions":
            tell_regions(found[part], failures)


def tell_regions(it: dict[str, Any], failures: list[str]) -> None:
    matched, masks = it["matched_share"], it["mask_iou"]
    say(f"    regions with their like: {100 * matched:.1f} % of {it['regions']}")
    say(f"    masks' IoU: mean {masks['mean']:.4f}, least {masks['least']:.4f} of {masks['count']}")
    if not matched >= LEAST_MATCHED:
        failures.append(f"only {100 * matched:.1f} % of the regions have their like")
    if not masks["mean"] >= LEAST_MASK_IOU:
        failures.append(f"the masks' mean IoU is {masks['mean']:.4f}, and {LEAST_MASK_IOU} is the least")


def difference(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Of numbers that should be the same; `spread` is how far the numbers themselves lie apart (their deviation)."""
    if not pairs:
        raise Failed("there is nothing to compare")
    one, other = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    apart = np.abs(one - other)
    if not np.isfinite(apart).all():
        raise Failed("a score is not finite")
    return {"largest": float(apart.max()), "mean": float(apart.mean()), "spread": float(one.std()), "count": len(pairs)}


def prepared(bench: Bench, folder: str, words: list[str], way: Way) -> dict[str, float]:
    """Every picture's score by one scorer, from what `prepare run` published."""
    where = bench.fresh("scored")
    paths = ["--store", where / "store", "--out", where / "out", *set_words(OPEN[:2]), "--json"]
    command = ["prepare", "run", *words, "--aesthetic", bench.models / folder, *paths, *way.flags]
    it = bench.threshflow(command, way.device, way.backend).json()
    if it["kept"] != it["rows"] or it["refused"]:
        raise Failed(f"{it['kept']} of {it['rows']} pictures were kept; refused: {it['refused']}")
    scores = {key: picture.aesthetic for key, picture in tables.pictures(where / "out").items()}
    shutil.rmtree(where)
    return scores


def scores(bench: Bench, pictures: int, way: Way) -> dict[str, Any]:
    """Both scorers."""
    words, differences = shards(bench, pictures, "answers"), {}
    for name, folder in (("aesthetic", "aesthetic"), ("resnet18", "resnet18")):
        ours = prepared(bench, folder, words, Way(bench.device))
        theirs = prepared(bench, folder, words, way)
        differences[name] = difference(paired(ours, theirs))
    return {"pictures": len(ours), "differences": differences}


def paired(ours: dict[str, float], theirs: dict[str, float]) -> list[tuple[float, float]]:
    if ours.keys() != theirs.keys():
        raise Failed(f"{len(ours)} pictures on one side, {len(theirs)} on the other")
    return [(score, theirs[key]) for key, score in ours.items()]


def regions(bench: Bench, pictures: int, way: Way) -> dict[str, Any]:
    """Boxes, masks and scores of `recap_mask`."""
    cut = threshold(bench)
    ours, theirs = (recapped(bench, pictures, cut, it) for it in (Way(bench.device), way))
    pairs, count = [], 0
    for key, picture in ours.items():
        pairs += matched(picture.regions, theirs[key].regions)
        count += max(len(picture.regions), len(theirs[key].regions))
    if not pairs:
        raise Failed(f"no region of {count} has its like")
    differences = {
        name: difference([(one.scores[name], other.scores[name]) for one, other in pairs]) for name in tables.SCORES
    }
    sides = [(float(a), float(b)) for one, other in pairs for a, b in zip(one.box, other.box, strict=True)]
    differences["box_px"] = difference(sides)
    ious = [tables.mask_iou(one.mask, other.mask) for one, other in pairs]
    masks = {"mean": float(np.mean(ious)), "least": float(np.min(ious)), "count": len(ious)}
    share = len(pairs) / count
    return {
        "pictures": len(ours),
        "regions": count,
        "matched_share": share,
        "differences": differences,
        "mask_iou": masks,
    }


def recapped(bench: Bench, pictures: int, cut: float, way: Way) -> dict[str, tables.Picture]:
    where = bench.fresh("recapped")
    command = [*recap_words(bench, where, cut), *shards(bench, pictures, "answers"), *way.flags]
    it = bench.threshflow(command, way.device, way.backend).json()
    if it["kept"] != it["rows"] or it["refused"] or it["regions"]["refused"]:
        raise Failed(
            f"{it['kept']} of {it['rows']} pictures kept; refused: {it['refused']}, {it['regions']['refused']}"
        )
    found = tables.pictures(where / "out")
    shutil.rmtree(where)
    return found


def matched(ours: list[tables.Region], theirs: list[tables.Region]) -> list[tuple[tables.Region, tables.Region]]:
    """Regions of the same noun whose boxes overlap most, each at most once."""
    left, pairs = list(theirs), []
    for region in ours:
        alike = [other for other in left if (other.kind, other.noun) == (region.kind, region.noun)]
        best = max(alike, key=lambda other: tables.box_iou(region.box, other.box), default=None)
        if best is not None and tables.box_iou(region.box, best.box) >= SAME_BOX:
            pairs.append((region, best))
            left.remove(best)
    return pairs
