"""Step 3: `prepare bench` and `recap_mask run` over shards, while the GPU is watched."""

from __future__ import annotations

import math
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import tables
from children import Bench, Failed, Ran, cores, say
from sessions import rate
from watch import Watch

# All rows pass; only `detection` is turned to.
OPEN = [
    *("short_side=0", "aesthetic=0", "regions=0"),
    *(f"{kind}_{dial}=0" for kind in ("object", "background") for dial in ("area", "area_sure", "clip", "mask")),
    *("object_area_most=1", "background_area_most=1"),
]
# Regions of a picture that are masked and scored, about: photographs have so many that are worth it.
REGIONS = 6
# Batches of the program: operators/onnx/pool.rs and the operators have them.
BATCHES = {
    "gpu": {"clip": 64, "resnet18": 64, "yolo-world": 16, "regions": 8},
    "cpu": {"clip": 8, "resnet18": 8, "yolo-world": 1, "regions": 1},
}


# What samples the GPU.
SAMPLER = shutil.which("nvidia-smi")


def batch_of(bench: Bench, what: str) -> int:
    return BATCHES["gpu" if bench.on_gpu else "cpu"][what]


def shards(bench: Bench, pictures: int, folder: str = "shards") -> list[str]:
    """`--shards` and the first shards of a folder that hold so many pictures."""
    files = sorted((bench.work / folder).glob("*.tar"))
    wanted = files[: math.ceil(pictures / bench.results["pictures"]["a_shard"][folder])]
    if not wanted:
        raise Failed("there are no shards")
    return [word for file in wanted for word in ("--shards", str(file))]


def set_words(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def watched(bench: Bench) -> Any:
    return Watch(bench.gpu) if bench.on_gpu and SAMPLER else nullcontext()


def throughput(bench: Bench, found: dict[str, Any], failures: list[str]) -> None:
    """Step 3."""
    if not bench.on_gpu:
        say("  the GPU is not sampled: there is none on --device cpu")
    elif not SAMPLER:
        failures.append("nvidia-smi is not on the PATH: nothing says how busy the GPU is")
    counts = bench.results["pictures"]
    parts = [
        ("prepare, ResNet-18", lambda: prepare(bench, "resnet18", "resnet18", counts["resnet18"])),
        ("prepare, CLIP and head", lambda: prepare(bench, "aesthetic", "clip", counts["clip"])),
        ("recap_mask", lambda: recap(bench, counts["recap"])),
    ]
    for name, part in parts:
        try:
            found[name] = part()
        except (Failed, OSError, ValueError, KeyError) as failed:
            failures.append(f"{name}: {failed}")
            continue
        tell(name, found[name])


def tell(name: str, it: dict[str, Any]) -> None:
    """The lines of a part."""
    say(
        f"  {name}: {it['images_per_second']:.2f} images/s end to end over {it['images']} pictures in {it['seconds']:.1f} s"
    )
    say(
        f"    limit {it['limit_images_per_second']:.2f} images/s ({it['limit_is']}): {100 * it['share_of_limit']:.0f} % of it"
    )
    gpu = it.get("gpu")
    if gpu:
        inner = gpu.get("from_first_to_last_work")
        say(
            f"    GPU busy {gpu['busy_percent']:.0f} %, below 10 % in {100 * gpu['whole']['starved_share']:.0f} % of "
            f"{gpu['samples']} samples, longest gap {gpu['whole']['longest_gap_s']:.1f} s; at most "
            f"{gpu['memory_mib_most']:.0f} MiB, {gpu['power_w_mean'] or 0:.0f} W"
        )
        if inner:
            say(
                f"    from its first work to its last: busy {inner['busy_percent']:.0f} %, below 10 % in "
                f"{100 * inner['starved_share']:.0f} %, longest gap {inner['longest_gap_s']:.1f} s"
            )
        else:
            say("    the GPU was never busy in any sample")
    for line in it["held_up"]:
        say(f"    it said: {line}")


def held_up(ran: Ran) -> list[str]:
    """What the program says of its queues; it does so every ten seconds."""
    return [line.strip() for _, line in ran.said if "holds the others up" in line or "holds up" in line]


# -- prepare


def prepare(bench: Bench, folder: str, model: str, pictures: int) -> dict[str, Any]:
    """`prepare bench` of one scorer. The limit is the lesser of decoding alone and the bare session."""
    at_most = ["--at-most", str(min(pictures, 1000))]
    words = ["prepare", "bench", *shards(bench, pictures), "--aesthetic", bench.models / folder, *at_most, "--json"]
    with watched(bench) as watch:
        ran = bench.threshflow(words)
    it = ran.json()
    decode = 1e3 * cores() / it["decode_core_ms"]
    alone = 1e3 * cores() / it["model_core_ms"]
    bare = rate(bench, model, batch_of(bench, model))
    images, end_to_end = it["end_to_end_images"], it["end_to_end_images_per_second"]
    if images < pictures:
        raise Failed(f"only {images} of {pictures} pictures were asked about")
    seconds = images / end_to_end
    if bench.on_gpu:
        limit, limit_is = min((decode, "decoding alone"), (bare, "the bare session"))
    else:
        limit, limit_is = 1 / (1 / decode + 1 / bare), "decoding and the bare session on the same cores"
    result = {
        "images": images,
        "seconds": seconds,
        "images_per_second": end_to_end,
        "decoding_alone": decode,
        "model_alone": alone,
        "bare_session": bare,
        "limit_images_per_second": limit,
        "limit_is": f"{limit_is}; decoding {decode:.1f}, model in the program {alone:.1f}, bare {bare:.1f}",
        "share_of_limit": end_to_end / limit,
        "held_up": held_up(ran),
        "program": it,
    }
    if watch:
        # The run from end to end is the last of the three phases.
        result["gpu"] = watch.summary(ran.end - seconds - 0.3, ran.end)
    return result


# -- recap_mask


def recap_words(bench: Bench, where: Path, threshold: float) -> list[str | Path]:
    """The flags of a run that masks and scores what the detector is surer of than the threshold."""
    # The text tower has a folder of its own.
    models = {
        "aesthetic": "aesthetic",
        "detector": "yolo-world",
        "detector-text": "texts",
        "segmenter": "sam2",
        "clip": "clip",
    }
    flags = [word for flag, folder in models.items() for word in (f"--{flag}", bench.models / folder)]
    where_to = ["--store", where / "store", "--out", where / "out"]
    settings = set_words([*OPEN, f"detection={threshold:.7f}"])
    return ["recap_mask", "run", *flags, *where_to, *settings, "--verbose", "--json"]


def threshold(bench: Bench) -> float:
    """Where the detector's scores leave about as many regions as photographs have: random weights know no threshold."""
    if "detection" in bench.results:
        return bench.results["detection"]
    where = bench.fresh("detections")
    pictures = bench.results["pictures"]["answers_recap"]
    bench.threshflow([*recap_words(bench, where, 1.0), *shards(bench, pictures, "answers")])
    scores = tables.rejected_scores(where / "out")
    shutil.rmtree(where)
    wanted = REGIONS * pictures
    if len(scores) <= wanted:
        raise Failed(f"the detector found {len(scores)} regions in {pictures} pictures, too few to choose {wanted}")
    bench.results["detection"] = (scores[wanted - 1] + scores[wanted]) / 2
    return bench.results["detection"]


def recap(bench: Bench, pictures: int) -> dict[str, Any]:
    """`recap_mask run` on an empty store. The limit is what the bare sessions take for the same questions, one after another."""
    cut = threshold(bench)
    where = bench.fresh("recap")
    with watched(bench) as watch:
        ran = bench.threshflow([*recap_words(bench, where, cut), *shards(bench, pictures)])
    it = ran.json()
    shutil.rmtree(where)
    asked = {stage: counts["asked"] for stage, counts in it["asks"].items()}
    if it["kept"] < pictures or asked["segment"] == 0:
        raise Failed(
            f"{it['kept']} of {pictures} pictures were kept, {asked['segment']} regions masked: {it['refused']}"
        )
    boxes = 8
    took = {
        "aesthetic": asked["aesthetic"] / rate(bench, "clip", batch_of(bench, "clip")),
        "detect": asked["detect"] / rate(bench, "yolo-world", batch_of(bench, "yolo-world")),
        "encode": asked["detect"] / rate(bench, "sam2-encoder", 1),
        "decode": asked["segment"] / boxes / rate(bench, "sam2-decoder", 1),
        # The CLIP and the scorer, whose tower is another session of the same.
        "region_score": 2 * asked["region_score"] / rate(bench, "clip", batch_of(bench, "regions")),
    }
    limit = it["rows"] / sum(took.values())
    slowest = max(took, key=lambda stage: took[stage])
    share = 100 * took[slowest] / sum(took.values())
    result = {
        "images": it["rows"],
        "seconds": it["seconds"],
        "images_per_second": it["images_per_second"],
        "regions": asked["segment"],
        "limit_images_per_second": limit,
        "limit_is": f"all bare sessions in turn, {share:.0f} % of it {slowest}; {asked['segment'] / it['rows']:.1f} regions a picture",
        "share_of_limit": it["images_per_second"] / limit,
        "bare_seconds": took,
        "held_up": held_up(ran),
        "program": it,
    }
    if watch:
        result["gpu"] = watch.summary(ran.begin, ran.end)
    return result
