"""Makes the demo's CLIP-like pair, `models/demo/clip`: a tower for pictures, one for texts, and their tokeniser.

Trained on crops of drawn scenes against texts, so that softmax(100 x cosine) over ("X", "not X") is the chance that
the crop shows an X. From the repository root:

    pip install -r models/demo/requirements.txt
    python models/demo/make_clip.py

`--scenes FOLDER` keeps the drawn scenes there, and uses the ones that it already holds. The detector
(`make_detector.py`) reads texts through this pair's text tower: make it again afterwards.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from torch.nn import functional as F

import demo_scenes as ds
from torch_parts import batch_norm_conv, export, fuse

OUT = ds.MODELS / "clip"
SIDE, WIDTH, CONTEXT = 64, 64, 77
MEAN = STD = [0.5, 0.5, 0.5]
START, END = "<|startoftext|>", "<|endoftext|>"


def make_tokenizer():
    """Byte-level pairs: the words of the demo are one token each, and any text has tokens."""
    corpus = [template.format(noun) for template in ds.TEMPLATES for noun in ds.NOUNS + list(ds.PLURALS.values())]
    corpus = (corpus + [f"not a {colour}" for colour in ds.COLOURS] * 8) * 40 + ds.STRANGERS
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        min_frequency=2,
        special_tokens=[START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, 0), (END, 1)]
    )
    tokenizer.enable_truncation(CONTEXT)
    return tokenizer


def tokenize(tokenizer, texts):
    """Ids and mask, padded to the longest text."""
    encoded = [tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, encoded))
    ids, mask = np.ones((2, len(texts), longest), np.int64)
    for row, tokens in enumerate(encoded):
        ids[row, : len(tokens)] = tokens
        mask[row, len(tokens) :] = 0
    return torch.from_numpy(ids), torch.from_numpy(mask)


class TextTower(nn.Module):
    """Tokens, gathered by four learned weightings, then a perceptron."""

    def __init__(self, tokens, heads=4):
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(tokens, WIDTH)
        nn.init.normal_(self.embed.weight, std=0.5)
        self.weigh = nn.Linear(WIDTH, heads)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Linear(heads * WIDTH, 160)
        self.outer = nn.Linear(160, WIDTH)

    def forward(self, input_ids, attention_mask):
        tokens = self.embed(input_ids)
        absent = (1 - attention_mask).to(torch.float32).unsqueeze(2) * -1e4
        weights = torch.softmax(self.weigh(tokens) + absent, dim=1)
        gathered = torch.matmul(weights.transpose(1, 2), F.relu(self.value(tokens)))
        flat = gathered.flatten(1)
        return self.outer(F.relu(self.inner(flat)))


class VisionTower(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            batch_norm_conv(3, 16, 3, 2),
            batch_norm_conv(16, 32, 3, 2),
            batch_norm_conv(32, 32, 3, 1),
            batch_norm_conv(32, 64, 3, 2),
            batch_norm_conv(64, 64, 3, 1),
            batch_norm_conv(64, 96, 3, 2),
        )
        self.out = nn.Linear(96, WIDTH)

    def forward(self, pixel_values):
        return self.out(self.layers(pixel_values).mean((2, 3)))


def crops_of(scenes, chance, least_area=0.0006, jitters=2):
    """Crops of all that is seen: pixels, masks, what they are, their colours, and which nouns they (also) show."""
    pixels, masks, nouns, colours, shown = [], [], [], [], []
    for scene in scenes:
        picture, owner = Image.open(scene["path"]).convert("RGB"), ds.owners(scene)
        listed = ds.things(scene)
        names = np.array([-1] + [ds.NOUNS.index(noun) for noun, *_ in listed])
        for place, (noun, colour, bounds, area) in enumerate(listed):
            if area < least_area * picture.width * picture.height:
                continue
            for turn in range(jitters):
                box = np.array(bounds, float)
                if turn:
                    size = np.array([box[2] - box[0], box[3] - box[1]])
                    box += chance.uniform(-0.08, 0.1, 4) * np.tile(size, 2) * [-1, -1, 1, 1]
                    box = np.clip(box, 0, [picture.width, picture.height] * 2).round()
                if min(box[2] - box[0], box[3] - box[1]) < 4:
                    continue
                part = [int(n) for n in box]
                owned = owner[part[1] : part[3], part[0] : part[2]]
                mask = Image.fromarray((owned == place + 1).astype(np.uint8) * 255)
                seen = np.asarray(ds.clip_crop(mask, (0, 0, *mask.size), SIDE))
                if (seen > 127).mean() < 0.03:
                    continue
                counts = np.bincount(names[owned.ravel()] + 1, minlength=len(ds.NOUNS) + 1)
                pixels.append(np.asarray(ds.clip_crop(picture, part, SIDE)))
                masks.append(seen)
                nouns.append(ds.NOUNS.index(noun))
                colours.append(ds.COLOURS.index(colour) if colour else -1)
                shown.append(counts[1:] / counts.sum() > 0.02)
    return [np.array(values) for values in (pixels, masks, nouns, colours, shown)]


def fill(pixels, masks, chance):
    """Crops as the pipeline may cut them: kept, or blanked outside a mask that is not exact. Gives which were blanked."""
    count = len(pixels)
    pixels = torch.from_numpy(pixels).float().permute(0, 3, 1, 2) / 255
    soft = torch.from_numpy(masks).float()[:, None] / 255
    # A mask that is too thin or too fat, smoothly.
    blurred = F.avg_pool2d(soft, 5, 1, 2, count_include_pad=False)
    level = torch.from_numpy(chance.uniform(0.2, 0.8, (count, 1, 1, 1)).astype(np.float32))
    rough = ((blurred - level) * 12 + 0.5).clamp(0, 1)
    exact = torch.from_numpy(chance.random((count, 1, 1, 1)) < 0.5)
    mask = torch.where(exact, soft, rough)
    kind = chance.random(count)
    colours = chance.random((count, 3))
    colours[kind < 0.8] = 0.5
    colours[kind < 0.68] = 1.0
    colours[kind < 0.56] = 0.0
    kept = kind < 0.34
    mask = torch.where(torch.from_numpy(kept)[:, None, None, None], torch.ones_like(mask), mask)
    colours = torch.from_numpy(colours.astype(np.float32))[:, :, None, None]
    mixed = pixels * mask + colours * (1 - mask)
    flip = torch.from_numpy(chance.random(count) < 0.5)[:, None, None, None]
    mixed = torch.where(flip, mixed.flip(3), mixed)
    return (mixed - 0.5) / 0.5, ~kept


def texts_of(chance):
    """Texts of a step: (text, noun or -1, colour or -1)."""
    texts = []
    for place, noun in enumerate(ds.NOUNS):
        texts.append((noun, place, -1))
        texts.append((ds.phrase(noun, chance), place, -1))
        if place < len(ds.OBJECTS):
            colour = chance.integers(len(ds.COLOURS))
            article = "a " if chance.random() < 0.6 else ""
            texts.append((f"{article}{ds.COLOURS[colour]} {noun}", place, colour))
    return texts + [(ds.stranger(chance), -1, -1) for _ in range(40)]


def labels_of(texts, nouns, colours, shown, blanked):
    """1 where the crop shows the text, 0 where it doesn't, and how much each answer counts."""
    of = np.array([noun for _, noun, _ in texts])
    tint = np.array([colour for _, _, colour in texts])
    same = nouns[:, None] == of[None]
    also = np.where(of[None] >= 0, shown[:, np.maximum(of, 0)], False) & ~same & ~blanked[:, None]
    other_colour = same & (tint[None] >= 0) & (tint[None] != colours[:, None])
    counts = ~also & ~other_colour
    return torch.from_numpy(same.astype(np.float32)), torch.from_numpy(counts.astype(np.float32))


def share(images, texts, nots):
    """100 x the cosines' difference: the logit of X's share against "not X"."""
    images, texts, nots = (F.normalize(x, dim=1) for x in (images, texts, nots))
    return 100 * images @ (texts - nots).T


def train(folder, steps, batch=128, seed=5):
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    scenes = ds.draw(folder, ds.TRAINING[0])[:900] + ds.draw(folder, ds.TRAINING[-1])[:240]
    pixels, masks, nouns, colours, shown = crops_of(scenes, chance)
    print(len(pixels), "crops;", np.bincount(nouns, minlength=len(ds.NOUNS)), flush=True)
    tokenizer = make_tokenizer()
    vision, text = VisionTower(), TextTower(tokenizer.get_vocab_size())
    parameters = [*vision.parameters(), *text.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.1)
    # Rare nouns are shown as often as the root of their number says.
    weights = 1 / np.sqrt(np.bincount(nouns, minlength=len(ds.NOUNS))[nouns])
    weights /= weights.sum()
    for step in range(steps):
        some = chance.choice(len(pixels), batch, p=weights)
        images, blanked = fill(pixels[some], masks[some], chance)
        texts = texts_of(chance)
        labels, counts = labels_of(texts, nouns[some], colours[some], shown[some], blanked)
        words = [word for word, *_ in texts]
        embeds = text(*tokenize(tokenizer, words + [f"not {word}" for word in words]))
        seen = vision(images)
        logits = share(seen, embeds[: len(words)], embeds[len(words) :])
        losses = F.binary_cross_entropy_with_logits(logits, labels * 0.98 + 0.01, reduction="none") * counts
        yes = (losses * labels).sum() / (labels * counts).sum()
        no = (losses * (1 - labels)).sum() / ((1 - labels) * counts).sum()
        # The nouns themselves must lie apart: the detector tells them by their embeddings.
        plain = F.normalize(embeds[: len(words)], dim=1)
        near = 20 * F.normalize(seen, dim=1) @ plain.T
        near = near.masked_fill((1 - counts).bool(), -30)
        right = torch.where(labels * counts > 0, near, torch.full_like(near, -1e4)).logsumexp(1)
        apart = (near.logsumexp(1) - right).mean()
        loss = yes + 2 * no + 0.3 * apart
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step + 1 == steps:
            print(f"{step}: yes {yes:.4f} no {no:.4f} apart {apart:.4f}", flush=True)
    return vision.eval(), text.eval(), tokenizer


def write(vision, text, tokenizer):
    OUT.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(OUT / "tokenizer.json"), pretty=False)
    fuse(vision)
    export(
        vision, (torch.zeros(2, 3, SIDE, SIDE),), OUT / "vision_model.onnx", {"pixel_values": {0: "batch"}},
        {"image_embeds": {0: "batch"}}, "Pictures of the demo's scenes. Made by models/demo/make_clip.py.",
    )
    axes = {0: "batch", 1: "sequence"}
    ids = torch.ones(2, 5, dtype=torch.int64)
    export(
        text, (ids, ids), OUT / "text_model.onnx", {"input_ids": axes, "attention_mask": axes},
        {"text_embeds": {0: "batch"}}, "Texts about the demo's scenes. Made by models/demo/make_clip.py.",
    )
    config = {
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "CLIPImageProcessor",
        "image_std": STD,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": SIDE},
    }
    (OUT / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in sorted(OUT.iterdir()):
        print(f"{path}: {path.stat().st_size} bytes")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--scenes", type=Path, help="folder of drawn scenes (default: a temporary one)")
    arguments.add_argument("--steps", type=int, default=700)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        write(*train((given.scenes or Path(temporary)).resolve(), given.steps))


if __name__ == "__main__":
    main()
