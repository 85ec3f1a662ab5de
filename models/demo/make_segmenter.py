"""Makes the demo's segmenter, `models/demo/segment`: given boxes, the masks of what they are about.

Two ONNX graphs with the contract of SAM 2's: `encoder.onnx` once a picture, `decoder.onnx` for its boxes. Trained
here from nothing on scenes that the demo's generator draws. From the repository root:

    pip install -r models/demo/requirements-segment.txt
    python models/demo/make_segmenter.py
    python models/demo/evaluate_segmenter.py

`--scenes FOLDER` keeps the drawn scenes there, and uses the ones that it already holds.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from torch.nn import functional

import segment_scenes
from demonstration import mark
from segment_network import MEAN, SIDE, STD, WIDTHS, Decoder, Encoder

OUT = Path(__file__).resolve().parent / "segment"

# TRAINING_SEED of pipelines/demo/mod.rs, first scene, scenes, longer side.
TRAINING = (1001, 0, 6000, 512)
STEPS, BATCH, OBJECTS = 1400, 6, 4
RATE = 2e-3
# The last part of the steps, in which masks are compared at SIDE and not at half of it.
SHARP = 0.2
# Most that a box's edge is moved, as part of the box's size.
MOST = 0.15
PIXEL_MEAN = torch.tensor(MEAN).reshape(1, 3, 1, 1)
PIXEL_STD = torch.tensor(STD).reshape(1, 3, 1, 1)


def ask(scenes, number, chance):
    """Boxes to ask about in a scene: (box, owner whose pixels are wanted, kind)."""
    objects = scenes.objects[number]
    chosen = [objects[i] for i in chance.permutation(len(objects))[:OBJECTS]]
    asked = []
    for owner, box in chosen:
        most = 0.0 if chance.random() < 0.2 else chance.uniform(0, MOST)
        asked.append((segment_scenes.jitter(box, most, chance), owner, "object"))
    taken = [box for _, box in objects]
    if chance.random() < 0.5:
        box = segment_scenes.background_box(taken, chance)
        asked += [(box, 0, "background")] if box is not None else []
    else:
        box = segment_scenes.stray_box(taken, chance)
        asked += [(box, 0, "stray")] if box is not None else []
    return asked


def batch_of(scenes, numbers, chance, fineness):
    """Pixels, the picture of each box, boxes, wanted masks (parts of cells, SIDE / fineness a side), kinds."""
    pictures, places, boxes, wanted, kinds = [], [], [], [], []
    for place, number in enumerate(numbers):
        pixels, owners = scenes.pixels[number], torch.from_numpy(scenes.owners[number])
        flip = chance.random() < 0.5
        pictures.append(pixels[:, ::-1] if flip else pixels)
        asked = ask(scenes, number, chance)
        masks = owners == torch.tensor([owner for _, owner, _ in asked], dtype=torch.uint8)[:, None, None]
        for i, (box, _, kind) in enumerate(asked):
            if kind == "background":
                left, top, right, bottom = (int(round(2 * float(edge))) for edge in box)
                kept = torch.zeros_like(masks[i])
                kept[top:bottom, left:right] = True
                masks[i] &= kept
        if flip:
            masks = masks.flip(2)
        wanted.append(functional.avg_pool2d(masks.float(), 2 * fineness))
        for box, _, kind in asked:
            boxes.append([SIDE - box[2], box[1], SIDE - box[0], box[3]] if flip else box)
            places.append(place)
            kinds.append(("object", "background", "stray").index(kind))
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    pixels = ((pixels - PIXEL_MEAN) / PIXEL_STD).contiguous(memory_format=torch.channels_last)
    boxes = torch.from_numpy(np.array(boxes, np.float32))
    return pixels, torch.tensor(places), boxes, torch.cat(wanted), torch.tensor(kinds)


def overlaps(logits, wanted):
    """IoU of each mask with what was wanted."""
    found, wanted = logits > 0, wanted > 0.5
    return (found & wanted).sum((1, 2)) / (found | wanted).sum((1, 2)).clamp(min=1)


def loss_of(encoder, decoder, batch, fineness):
    """The loss, and the mean IoU of the objects' masks."""
    pixels, places, boxes, wanted, kinds = batch
    # Half-precision halves the time, and the last digits of a logit don't matter.
    with torch.autocast("cpu", torch.bfloat16):
        coarse, fine = decoder.maps(*encoder(pixels))
        results = decoder.masks(coarse[places], fine[places], boxes)
    logits, iou, score = (result.float() for result in results)
    real = kinds < 2
    if fineness == 1:
        logits = functional.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
        wanted = (wanted > 0.5).float()
    logits, wanted = logits[real, 0], wanted[real]
    size = (boxes[real, 2:] - boxes[real, :2]).clamp(min=4).prod(1) / fineness**2
    cross = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum((1, 2)) / size
    share = torch.sigmoid(logits)
    dice = 1 - (2 * (share * wanted).sum((1, 2)) + 1) / ((share + wanted).sum((1, 2)) + 1)
    true = overlaps(logits.detach(), wanted)
    judged = (iou[real, 0] - true).square().mean()
    there = functional.binary_cross_entropy_with_logits(score[:, 0], real.float())
    return cross.mean() + dice.mean() + judged + 0.1 * there, true[kinds[real] == 0].mean()


def train(scenes, steps=STEPS):
    torch.manual_seed(5)
    chance = np.random.default_rng(5)
    encoder, decoder = Encoder().to(memory_format=torch.channels_last).train(), Decoder().train()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.AdamW(parameters, RATE, weight_decay=1e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.08)
    begun, seen = time.monotonic(), []
    for step in range(steps):
        numbers = chance.integers(0, len(scenes.pixels), BATCH)
        fineness = 1 if step >= steps * (1 - SHARP) else 2
        loss, true = loss_of(encoder, decoder, batch_of(scenes, numbers, chance, fineness), fineness)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        plan.step()
        seen.append((loss.item(), true.item()))
        if step % 100 == 99:
            loss, true = np.mean(seen[-100:], 0)
            passed = time.monotonic() - begun
            print(f"step {step + 1}: loss {loss:.4f}, IoU {true:.4f}, {passed:.0f} s", flush=True)
    return encoder.eval(), decoder.eval()


def export(network, example, path, inputs, outputs):
    """Writes a graph. `inputs` maps names to their free dimensions, `outputs` names to shapes."""
    network = network.to(memory_format=torch.contiguous_format)
    named = lambda shape: {i: size for i, size in enumerate(shape) if isinstance(size, str)}
    free = {name: named(shape) for name, shape in outputs.items()}
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes={**inputs, **free},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    model.producer_name, model.producer_version = "threshflow", ""
    # The exporter doesn't know some of the sizes.
    for value in model.graph.output:
        for dimension, size in zip(value.type.tensor_type.shape.dim, outputs[value.name]):
            setattr(dimension, "dim_value" if isinstance(size, int) else "dim_param", size)
    model.doc_string = "A segmenter of drawn scenes, asked by boxes. Made by models/demo/make_segmenter.py."
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(mark(model), path)
    print(f"{path}: {path.stat().st_size} bytes")


def write(encoder, decoder, out):
    out.mkdir(parents=True, exist_ok=True)
    scales = [f"image_embeddings.{i}" for i in range(3)]
    sizes = [(width, SIDE // 4 >> i, SIDE // 4 >> i) for i, width in enumerate(WIDTHS)]
    export(
        encoder,
        (torch.zeros(1, 3, SIDE, SIDE),),
        out / "encoder.onnx",
        {"pixel_values": {0: "batch"}},
        {name: ("batch", *size) for name, size in zip(scales, sizes)},
    )
    boxes = torch.tensor([[[10.0, 10, 90, 90], [100, 20, 200, 140], [5, 5, 250, 100]]])
    export(
        decoder,
        (*(torch.zeros(1, *size) for size in sizes), boxes),
        out / "decoder.onnx",
        {**{name: {} for name in scales}, "input_boxes": {1: "boxes"}},
        {
            "pred_masks": (1, "boxes", 1, SIDE // 2, SIDE // 2),
            "iou_scores": (1, "boxes", 1),
            "object_score_logits": (1, "boxes", 1),
        },
    )
    config = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "Sam2ImageProcessor",
        "image_std": STD,
        "mask_size": {"height": SIDE // 2, "width": SIDE // 2},
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
    }
    (out / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


def make(folder, steps, out):
    scenes = segment_scenes.load(folder / "training", *TRAINING)
    encoder, decoder = train(scenes, steps)
    write(encoder, decoder, out)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--scenes", type=Path, help="folder of drawn scenes (default: a temporary one)")
    arguments.add_argument("--steps", type=int, default=STEPS, help="steps of training")
    arguments.add_argument("--out", type=Path, default=OUT, help="the model's folder")
    given = arguments.parse_args()
    if given.scenes:
        make(given.scenes.resolve(), given.steps, given.out)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            make(Path(temporary), given.steps, given.out)


if __name__ == "__main__":
    main()
