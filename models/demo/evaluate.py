"""Measures the demo's CLIP-like pair and detector on drawn scenes, as the pipeline will ask them.

From the repository root, with the models in place:

    python models/demo/evaluate.py                # on scenes of HELD_OUT_SEED, which had no part in the making
    python models/demo/evaluate.py --validation   # on other scenes of TRAINING_SEED: choose by these

Scenes are drawn at 1600 pixels. The detector is asked for each scene's own objects and backgrounds, and, apart from
that, for all nouns of the demo at once. The pair is asked "X" against "not X" about crops that are kept whole, or
blanked outside their mask.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import demo_scenes as ds

# The default of the dial.
THRESHOLD = 0.4
LEAST_AREA = 0.001


def asked(scene, every):
    if every:
        return ds.NOUNS
    return list(dict.fromkeys(noun for noun, *_ in ds.things(scene)))


def answers(scenes, texts, model, every=False):
    """The detector's boxes for each scene, with nouns and scores."""
    side = model.get_inputs()[0].shape[2]
    found, spent = [], []
    for scene in scenes:
        picture = Image.open(scene["path"]).convert("RGB")
        pixels, scale, left, top = ds.letterbox(picture, side)
        words = asked(scene, every)
        feed = {
            "images": pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255,
            "text_embeds": texts(words)[None].astype(np.float32),
        }
        start = time.perf_counter()
        boxes, scores = model.run(None, feed)
        spent.append(time.perf_counter() - start)
        boxes, scores, classes = ds.detections(boxes[0], scores[0], scale, left, top, picture.size)
        found.append((boxes, scores, [words[c] for c in classes]))
    return found, float(np.median(spent))


def match(boxes, scores, nouns, truth):
    """Each box, best first, takes the true box of its noun that it fits best, from 0.5. Gives its place or -1, and IoU."""
    overlap = ds.overlaps(boxes, np.array([bounds for _, _, bounds, _ in truth], float).reshape(-1, 4))
    taken, places, fits = set(), [], []
    for i in np.argsort(-scores, kind="stable"):
        ious = [
            iou if noun == nouns[i] and j not in taken else 0.0
            for j, ((noun, *_), iou) in enumerate(zip(truth, overlap[i]))
        ]
        j = int(np.argmax(ious)) if ious else -1
        hit = bool(ious) and ious[j] >= 0.5
        if hit:
            taken.add(j)
        places.append(j if hit else -1)
        fits.append(ious[j] if hit else 0.0)
    return places, fits


def counts(scenes, found, threshold, kinds):
    """Recall of what is large enough, mean IoU of what was found, precision; over nouns of `kinds` alone."""
    asked = hit = given = right = 0
    fits, by_noun = [], {}
    for scene, (boxes, scores, nouns) in zip(scenes, found):
        truth = [thing for thing in ds.things(scene) if thing[0] in kinds]
        use = [i for i in range(len(scores)) if scores[i] > threshold and nouns[i] in kinds]
        places, ious = match(boxes[use], scores[use], [nouns[i] for i in use], truth)
        area = scene["width"] * scene["height"]
        big = {j for j, thing in enumerate(truth) if thing[3] >= LEAST_AREA * area}
        asked, hit = asked + len(big), hit + len(big & set(places))
        for j in big:
            row = by_noun.setdefault(truth[j][0], [0, 0])
            row[0], row[1] = row[0] + (j in places), row[1] + 1
        given, right = given + len(use), right + sum(place >= 0 for place in places)
        fits += [iou for iou in ious if iou > 0]
    return hit / max(asked, 1), float(np.mean(fits)) if fits else 0.0, right / max(given, 1), by_noun


def detector(scenes, texts, chooses):
    model = ds.session(ds.MODELS / "detect" / "model.onnx")
    for every in (False, True):
        found, spent = answers(scenes, texts, model, every)
        print(f"asked for {'all nouns' if every else 'the nouns of the scene'}: {1000 * spent:.1f} ms a picture")
        dials = np.arange(0.15, 0.75, 0.05) if chooses else [THRESHOLD]
        for dial in dials:
            for name, kinds in (("objects", ds.OBJECTS), ("backgrounds", ds.GROUNDS)):
                recall, fit, precision, by_noun = counts(scenes, found, dial, kinds)
                print(f"  above {dial:.2f}, {name}: recall {recall:.3f}, mean IoU {fit:.3f}, precision {precision:.3f}")
                if dial == THRESHOLD or abs(dial - THRESHOLD) < 0.01:
                    print("   ", ", ".join(f"{noun} {a}/{b}" for noun, (a, b) in sorted(by_noun.items())))
    strange = ["dog", "person", "bicycle", "aeroplane", "a piece of cake", "elephant", "keyboard", "guitar", "xqzzt"]
    tops = []
    for scene in scenes[:100]:
        pixels, *_ = ds.letterbox(Image.open(scene["path"]).convert("RGB"), model.get_inputs()[0].shape[2])
        feed = {"images": pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255, "text_embeds": texts(strange)[None]}
        tops.append(model.run(None, feed)[1][0].max(0))
    above = (np.array(tops) > THRESHOLD).mean(0)
    print("  pictures with a box for", ", ".join(f"{word} {share:.2f}" for word, share in zip(strange, above)))


def crops(scenes, side):
    """(picture, noun, all nouns that are seen in it, whether blanked) of all that is large enough."""
    for scene in scenes:
        picture, owner = Image.open(scene["path"]).convert("RGB"), ds.owners(scene)
        listed = ds.things(scene)
        for place, (noun, _, bounds, area) in enumerate(listed):
            if area < LEAST_AREA * picture.width * picture.height:
                continue
            left, top, right, bottom = bounds
            part = picture.crop(tuple(bounds))
            owned = owner[top:bottom, left:right]
            seen = {listed[p - 1][0] for p in np.unique(owned) if p}
            for colour in (None, 0, 255):
                pixels = np.array(part)
                if colour is not None:
                    pixels[owned != place + 1] = colour
                cut = ds.clip_crop(Image.fromarray(pixels), (0, 0, *part.size), side)
                yield np.asarray(cut, np.float32), noun, seen if colour is None else {noun}, colour


def pair(scenes, texts):
    model = ds.session(ds.MODELS / "clip" / "vision_model.onnx")
    side = model.get_inputs()[0].shape[2]
    difference = 100 * (texts(ds.NOUNS) - texts([f"not {noun}" for noun in ds.NOUNS]))
    right, wrong, spent, kinds = {}, {}, [], {}
    for pixels, noun, seen, colour in crops(scenes, side):
        feed = {"pixel_values": ((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].astype(np.float32)}
        start = time.perf_counter()
        embed = model.run(None, feed)[0][0]
        spent.append(time.perf_counter() - start)
        shares = 1 / (1 + np.exp(-difference @ (embed / np.linalg.norm(embed))))
        how = {None: "kept", 0: "black", 255: "white"}[colour]
        group = (how, "objects" if noun in ds.OBJECTS else "backgrounds")
        right.setdefault(group, []).append(shares[ds.NOUNS.index(noun)])
        kinds.setdefault(noun, []).append(shares[ds.NOUNS.index(noun)])
        wrong.setdefault(group, []).extend(s for s, other in zip(shares, ds.NOUNS) if other not in seen)
    print(f"crops: {1000 * np.median(spent):.2f} ms each")
    for group in sorted(right):
        yes, no = np.array(right[group]), np.array(wrong[group])
        print(
            f"  {' '.join(group)}: {len(yes)} right ones, {(yes > 0.8).mean():.3f} above 0.8, "
            f"{(yes > 0.9).mean():.3f} above 0.9; {len(no)} wrong ones, {(no < 0.2).mean():.3f} below 0.2, {(no < 0.5).mean():.3f} below 0.5"
        )
    print("   ", ", ".join(f"{noun} {np.mean(np.array(s) > 0.8):.2f}" for noun, s in sorted(kinds.items())))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--scenes", type=Path, help="folder of drawn scenes (default: a temporary one)")
    arguments.add_argument("--validation", action="store_true", help="on scenes that choices may be made by")
    arguments.add_argument("--count", type=int, default=10**6, help="only so many scenes")
    arguments.add_argument("--only", choices=["clip", "detect"])
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.scenes or Path(temporary)).resolve()
        scenes = ds.draw(folder, ds.VALIDATION if given.validation else ds.HELD_OUT)[: given.count]
        texts = ds.Texts()
        if given.only != "clip":
            detector(scenes, texts, given.validation)
        if given.only != "detect":
            pair(scenes[:150], texts)


if __name__ == "__main__":
    main()
