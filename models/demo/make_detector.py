"""Makes the demo's detector, `models/demo/detect`: boxes for whatever texts it is given with the picture.

A small convolutional network with cells of 8, 16 and 32 pixels, trained on drawn scenes: objects and backgrounds,
against their nouns in many phrasings and words for what is not there, all read by the text tower of
`models/demo/clip`. From the repository root, after `make_clip.py`:

    pip install -r models/demo/requirements.txt
    python models/demo/make_detector.py

`--scenes FOLDER` keeps the drawn scenes there, and uses the ones that it already holds.
"""

import argparse
import copy
import json
import pickle
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import nn
from torch.nn import functional as F

import demo_scenes as ds
from torch_parts import batch_norm_conv, export, fuse

OUT = ds.MODELS / "detect"
SIDE, WIDTH = 288, 64
# What it is trained on.
SCENES = ds.TRAINING[:2]
STRIDES = (8, 16, 32)
# Of the picture's area; what shows less is not asked for.
LEAST_OBJECT, LEAST_GROUND = 0.0004, 0.004


class Bottleneck(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(batch_norm_conv(width, width // 2, 1), batch_norm_conv(width // 2, width, 3))

    def forward(self, x):
        return x + self.body(x)


class SharedConv(nn.Module):
    """One convolution for all sizes of cell, and for each a norm of its own: their statistics differ."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in STRIDES)

    def forward(self, x, level):
        return F.relu(self.norms[level](self.conv(x)))


class Scale(nn.Module):
    """What a batch norm does once its statistics are fixed."""

    def __init__(self, norm):
        super().__init__()
        by = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.register_buffer("by", by.detach()[None, :, None, None])
        self.register_buffer("plus", (norm.bias - norm.running_mean * by).detach()[None, :, None, None])

    def forward(self, x):
        return x * self.by + self.plus


class Detector(nn.Module):
    def __init__(self, widths=(32, 64, 96, 96), neck=48):
        super().__init__()
        a, b, c, d = widths
        self.early = nn.Sequential(
            batch_norm_conv(3, a, 6, 4), Bottleneck(a), batch_norm_conv(a, b, 3, 2), Bottleneck(b), Bottleneck(b),
        )
        self.middle = nn.Sequential(batch_norm_conv(b, c, 3, 2), Bottleneck(c), Bottleneck(c))
        self.late = nn.Sequential(batch_norm_conv(c, d, 3, 2), Bottleneck(d), Bottleneck(d))
        # What the whole picture is like.
        self.context = nn.Conv2d(d, d, 1)
        self.lateral = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in (b, c, d))
        self.smooth = nn.ModuleList(batch_norm_conv(neck, neck, 3) for _ in range(2))
        self.down = nn.ModuleList(batch_norm_conv(neck, neck, 3, 2) for _ in range(1))
        # Shared by the three sizes of cell.
        self.kind, self.place = SharedConv(neck), SharedConv(neck)
        self.embed = nn.ModuleList(nn.Conv2d(neck, WIDTH + 1, 1) for _ in STRIDES)
        self.reach = nn.ModuleList(nn.Conv2d(neck, 4, 1) for _ in STRIDES)
        # The text's own reading: what it looks for, and how likely it is at all.
        self.text_inner, self.text_outer = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH + 1)
        for embed, reach in zip(self.embed, self.reach):
            nn.init.constant_(embed.bias[-1:], -4.0)
            nn.init.constant_(reach.bias, 0.7)
            nn.init.normal_(reach.weight, std=0.01)
        centres, strides = [], []
        for stride in STRIDES:
            line = (torch.arange(SIDE // stride) + 0.5) * stride
            y, x = torch.meshgrid(line, line, indexing="ij")
            centres.append(torch.stack([x, y], 2).reshape(1, -1, 2))
            strides.append(torch.full((1, centres[-1].shape[1], 1), float(stride)))
        self.register_buffer("centres", torch.cat(centres, 1))
        self.register_buffer("strides", torch.cat(strides, 1))

    def pixels(self, images):
        """Embeddings and boxes of all cells."""
        fine = self.early(images)
        mid = self.middle(fine)
        coarse = self.late(mid)
        coarse = coarse + self.context(coarse.mean((2, 3), keepdim=True))
        top = self.lateral[2](coarse)
        mid = self.smooth[1](self.lateral[1](mid) + F.interpolate(top, scale_factor=2.0, mode="nearest"))
        fine = self.smooth[0](self.lateral[0](fine) + F.interpolate(mid, scale_factor=2.0, mode="nearest"))
        top = top + self.down[0](mid)
        embeds, reaches = [], []
        for level, cells in enumerate((fine, mid, top)):
            embeds.append(self.embed[level](self.kind(cells, level)).flatten(2))
            reaches.append(self.reach[level](self.place(cells, level)).flatten(2))
        reach = torch.cat(reaches, 2).transpose(1, 2).float().clamp(max=5.0).exp() * self.strides
        boxes = torch.cat([self.centres - reach[:, :, :2], self.centres + reach[:, :, 2:]], 2)
        return torch.cat(embeds, 2).transpose(1, 2).float(), boxes

    def logits(self, embeds, texts):
        read = self.text_outer(F.relu(self.text_inner(texts)))
        wanted = texts + read[:, :, :WIDTH]
        fits = torch.matmul(embeds[:, :, :WIDTH], wanted.transpose(1, 2))
        return fits + embeds[:, :, WIDTH:] + read[:, :, WIDTH:].transpose(1, 2)

    def forward(self, images, text_embeds):
        embeds, boxes = self.pixels(images)
        return boxes, torch.sigmoid(self.logits(embeds, text_embeds))


def prepared(scene):
    """Letterboxed pixels, boxes in them, and nouns."""
    picture = Image.open(scene["path"]).convert("RGB")
    pixels, scale, left, top = ds.letterbox(picture, SIDE)
    area = picture.width * picture.height
    boxes, nouns = [], []
    for noun, _, bounds, seen in ds.things(scene):
        if seen / area >= (LEAST_OBJECT if noun in ds.OBJECTS else LEAST_GROUND):
            boxes.append(np.array(bounds) * scale + [left, top, left, top])
            nouns.append(ds.NOUNS.index(noun))
    return pixels, np.array(boxes, np.float32).reshape(-1, 4), np.array(nouns, np.int64)


def load(folder, parts):
    scenes = [scene for part in parts for scene in ds.draw(folder, part)]
    kept = folder / f"prepared-{SIDE}-{len(scenes)}.pickle"
    if not kept.exists():
        with ProcessPoolExecutor(3) as pool:
            kept.write_bytes(pickle.dumps(list(pool.map(prepared, scenes, chunksize=50))))
    return pickle.loads(kept.read_bytes())


def batch_of(examples, some, chance):
    """Images, boxes and nouns; half of the pictures are mirrored. Missing boxes have noun -1."""
    most = max(len(examples[i][2]) for i in some)
    images = np.stack([examples[i][0] for i in some])
    boxes, nouns = np.zeros((len(some), most, 4), np.float32), np.full((len(some), most), -1, np.int64)
    for row, i in enumerate(some):
        boxes[row, : len(examples[i][1])], nouns[row, : len(examples[i][2])] = examples[i][1:]
        if chance.random() < 0.5:
            images[row] = images[row, :, ::-1]
            boxes[row, :, [0, 2]] = SIDE - boxes[row, :, [2, 0]]
    images = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(boxes), torch.from_numpy(nouns)


def texts_of(words, chance):
    """Each noun in some phrasing, then strangers."""
    said = []
    for noun in ds.NOUNS:
        colour = ds.COLOURS[chance.integers(len(ds.COLOURS))] if chance.random() < 0.15 else None
        said.append(noun if chance.random() < 0.5 else ds.phrase(noun, chance, colour))
    said += [ds.stranger(chance) for _ in range(11)]
    return torch.from_numpy(words(said)).float()


def pair_iou(a, b):
    """Intersection over union of boxes that broadcast, and the union."""
    wide = (torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    high = (torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])).clamp(min=0)
    both = wide * high
    area = lambda box: (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])
    union = (area(a) + area(b) - both).clamp(min=1e-6)
    return both / union, union


def generous_iou(a, b):
    """GIoU of boxes, pair by pair."""
    iou, union = pair_iou(a, b)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1).clamp(min=1e-6)
    return iou - (hull - union) / hull


@torch.no_grad()
def assign(scores, boxes, truth, nouns, centres, most=9):
    """Which true box each cell answers for: the cells inside it that already fit best. Gives its place or -1, and how well."""
    valid = nouns >= 0
    iou, _ = pair_iou(boxes[:, None], truth[:, :, None])
    x, y = centres[:, None, :, 0], centres[:, None, :, 1]
    left, top, right, bottom = truth[:, :, None].unbind(3)
    inside = (x > left) & (y > top) & (x < right) & (y < bottom)
    classes = nouns.clamp(min=0)[:, None, :].expand(-1, scores.shape[1], -1)
    fit = scores.gather(2, classes).transpose(1, 2).sqrt() * iou.pow(5) * inside * valid[:, :, None]
    best = fit.topk(most, 2)
    chosen = torch.zeros_like(fit).scatter(2, best.indices, (best.values > 1e-12).float())
    # A cell that several want goes to the one that it overlaps most.
    winner = (iou * chosen).argmax(1)
    taken = chosen.sum(1) > 0
    fit = fit * chosen * F.one_hot(winner, fit.shape[1]).transpose(1, 2)
    top_iou = (iou * (fit > 0)).amax(2, keepdim=True)
    quality = (fit / fit.amax(2, keepdim=True).clamp(min=1e-12) * top_iou).amax(1)
    return torch.where(taken, winner, torch.full_like(winner, -1)), quality


def losses(model, images, truth, nouns, texts):
    embeds, boxes = model.pixels(images)
    logits = model.logits(embeds, texts[None].expand(len(images), -1, -1))
    scores = logits.detach().sigmoid()
    place, quality = assign(scores, boxes.detach(), truth, nouns, model.centres)
    taken = place >= 0
    safe = place.clamp(min=0)
    noun = nouns.gather(1, safe)
    target = torch.zeros_like(logits)
    target.scatter_(2, noun.clamp(min=0)[:, :, None], (quality * taken)[:, :, None])
    total = target.sum().clamp(min=1.0)
    # Cells that are wrong and sure count most: the others are many.
    weight = torch.where(target > 0, torch.ones_like(target), scores.pow(1.5) * 0.75 + 0.02)
    kinds = (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight).sum() / total
    wanted = truth.gather(1, safe[:, :, None].expand(-1, -1, 4))
    giou = generous_iou(boxes, wanted)
    counts = quality * taken
    return kinds, ((1 - giou) * counts).sum() / counts.sum().clamp(min=1.0)


def optimiser_of(model):
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}])


def blend(average, model, keep):
    """Moves the running mean of the weights towards the weights."""
    with torch.no_grad():
        for mine, new in zip(average.state_dict().values(), model.state_dict().values()):
            mine.lerp_(new, 1 - keep) if mine.is_floating_point() else mine.copy_(new)


def share_gradients(model):
    """Gives every worker the mean of all workers' gradients."""
    gradients = [p.grad for p in model.parameters()]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view_as(gradient))


def work(rank, workers, given, folder, batch=6, seed=6):
    """One of several processes that train the same model, each with one thread and its own pictures."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=workers)
    torch.manual_seed(seed)
    chance, words = np.random.default_rng([seed, rank]), ds.Texts()
    examples = load(given.scenes, SCENES)
    model = Detector()
    if given.start_from:
        model.load_state_dict(torch.load(given.start_from))
    model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimiser = optimiser_of(model)
    start, order, done, step = time.time(), [], 0.0, 0
    while done < 1.0:
        passed = torch.tensor([max((step + 1) / given.steps, (time.time() - start) / (60 * given.minutes))])
        dist.all_reduce(passed, dist.ReduceOp.MAX)
        done = min(float(passed), 1.0)
        top = 1.7e-3 if given.start_from else 3e-3
        for group in optimiser.param_groups:
            group["lr"] = top * min(1.0, (step + 1) / 150) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))
        if len(order) < batch:
            order = list(chance.permutation(len(examples)))
        some, order = order[:batch], order[batch:]
        images, truth, nouns = batch_of(examples, some, chance)
        with torch.autocast("cpu", torch.bfloat16):
            images = images.to(memory_format=torch.channels_last)
            kinds, places = losses(model, images, truth, nouns, texts_of(words, chance))
        optimiser.zero_grad()
        (kinds + 2 * places).backward()
        share_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        blend(average, model, min(0.995, (step + 1) / (step + 10)))
        step += 1
        if rank == 0 and (step % 50 == 0 or done >= 1.0):
            print(f"{step}: {time.time() - start:.0f} s, kinds {kinds:.3f} places {places:.3f}", flush=True)
        if rank == 0 and (step % 400 == 0 or done >= 1.0):
            given.out.mkdir(parents=True, exist_ok=True)
            torch.save(average.state_dict(), given.out / "weights.pt")
            finished = copy.deepcopy(average).to(memory_format=torch.contiguous_format)
            write(settle(finished, examples, chance), given.out)


def settle(model, examples, chance, batches=25):
    """Takes the norms' statistics anew, over pictures that the finished weights see, and fixes them."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for _ in range(batches):
            images, *_ = batch_of(examples, chance.integers(len(examples), size=12), chance)
            model.pixels(images)
    return model.eval()


def write(model, out):
    out.mkdir(parents=True, exist_ok=True)
    fuse(model)
    for shared in (model.kind, model.place):
        shared.norms = nn.ModuleList(Scale(norm) for norm in shared.norms)
    texts = F.normalize(torch.randn(2, 5, WIDTH), dim=2)
    export(
        model, (torch.rand(2, 3, SIDE, SIDE), texts), out / "model.onnx",
        {"images": {0: "batch"}, "text_embeds": {0: "batch", 1: "texts"}},
        {"boxes": {0: "batch"}, "scores": {0: "batch", 2: "texts"}},
        "Things of the demo's scenes, by text. Made by models/demo/make_detector.py.",
    )
    config = {"size": SIDE, "letterbox": "mmyolo"}
    (out / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{out / 'model.onnx'}: {(out / 'model.onnx').stat().st_size} bytes", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--scenes", type=Path, help="folder of drawn scenes (default: a temporary one)")
    arguments.add_argument("--steps", type=int, default=4000, help="how long to train")
    arguments.add_argument("--minutes", type=float, default=1e9, help="end after this time, if it comes first")
    arguments.add_argument("--workers", type=int, default=3, help="processes that train (default: 3)")
    arguments.add_argument("--start-from", type=Path, help="weights.pt of an earlier run, to go on from")
    arguments.add_argument("--out", type=Path, default=OUT, help="where to write the model")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        given.scenes = (given.scenes or folder).resolve()
        load(given.scenes, SCENES)
        torch.multiprocessing.spawn(work, (given.workers, given, folder), nprocs=given.workers)


if __name__ == "__main__":
    main()
