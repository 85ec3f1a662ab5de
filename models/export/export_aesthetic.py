"""Makes a Threshflow model folder for the `aesthetic` operator out of CLIP ViT-L/14 and LAION's aesthetic head.

    pip install -r models/export/requirements-aesthetic.txt
    python models/export/export_aesthetic.py --head sac+logos+ava1-l14-linearMSE.pth --out models/aesthetic
    python models/export/export_aesthetic.py --random --kind fused --out /tmp/aesthetic-random

The head is the state dict of improved-aesthetic-predictor's linear perceptron (five layers), or of LAION's older
predictor (one). Between its layers there are no activations, and dropout does nothing after training, so that the
whole is one affine map of the normalised embedding: the layers are multiplied out in 64-bit floats, and the result is
checked against them one after the other.

--kind split   vision_model.onnx (pixel_values -> image_embeds) and head.onnx (image_embeds [N,768], normalised, ->
               aesthetic_score [N,1]); the vision tower may serve other operators too
--kind fused   model.onnx (pixel_values -> aesthetic_score), which normalises inside
--kind head    head.onnx alone, to lie beside a vision_model.onnx that is there already
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from _common import Card, ExportError, Folder, Graph, need, need_all, parser_of, run
from _modules import as_module, count_parameters, noise
from _sources import at, file_source, need_one_of, random_source
from export_clip import licence_of, load_clip, preprocessing, random_clip, vision_graph

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import CLIPModel

REQUIREMENTS = "requirements-aesthetic.txt"
PACKAGES = ["torch", "transformers", "onnx", "onnxruntime"]
CLIP = "openai/clip-vit-large-patch14"
# Places of the linear layers among the linear ones and the dropouts. With activations between them, the places differ.
PLACES = ([0, 2, 4, 6, 7], [])
WIDTHS = [768, 1024, 128, 64, 16, 1]
# How far folding may move a score, on the scale from 0 to 10.
FOLDING_TOLERANCE = 1e-4

Layer = "tuple[Tensor, Tensor]"


def main() -> None:
    args = arguments()
    need_one_of(args.head, args.random, "--head")
    need_all(["transformers", "torch", "onnxruntime"], REQUIREMENTS)
    layers = random_layers(args.seed) if args.random else load_layers(args.head)
    head = folded_and_checked(layers, args.seed)
    with Folder(args.out) as folder:
        card = card_of(args)
        card.parameters = count_parameters(head)
        if args.kind != "head":
            clip = random_clip(args.random, args.seed) if args.random else load_clip(args.clip)
            check_widths(clip, head)
            card.parameters += count_parameters(clip.vision_model) + count_parameters(clip.visual_projection)
            # OpenAI's own code scored the pictures that the head was fitted to, so its crop is the right one.
            config = preprocessing(None if args.random else args.clip, clip)
            folder.write_json("preprocessor_config.json", {**config, "family": "openai"})
        if args.kind == "fused":
            folder.add(fused_graph(clip, head, args.seed), card)
        else:
            if args.kind == "split":
                folder.add(vision_graph(clip, args.seed), card)
            folder.add(head_graph(head, args.seed), card)
        folder.finish(card)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--head", type=Path, help="state dict of the head, e.g. sac+logos+ava1-l14-linearMSE.pth")
    parser.add_argument(
        "--clip", default=CLIP, help=f"CLIP that the head was fitted to: name or folder (default {CLIP})"
    )
    parser.add_argument("--kind", choices=["split", "fused", "head"], default="split", help="see above (default split)")
    return parser.parse_args()


def load_layers(path: Path) -> list[Layer]:
    """The head's layers, weight and bias each, first to last; refuses what is not known to be without activations."""
    torch = need("torch", REQUIREMENTS)
    if not path.is_file():
        raise ExportError(f"{path} is not there; it should be the head's .pth file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise many kinds
        raise ExportError(f"{path} is no state dict that torch can read without running code: {error}") from error
    if not isinstance(state, dict):
        raise ExportError(f"{path} holds a {type(state).__name__}, and a state dict is wanted")
    places = sorted(int(found[1]) for key in state if (found := re.fullmatch(r"layers\.(\d+)\.weight", key)))
    names = [f"layers.{place}." for place in places] or [""]
    if places not in PLACES or set(state) != {name + part for name in names for part in ("weight", "bias")}:
        raise ExportError(
            f"{path} has {sorted(state)}: wanted are linear layers at layers.0, .2, .4, .6, .7 or a single weight and bias; "
            "a head with activations is no affine map, and this script does not export it"
        )
    return [(state[f"{name}weight"].double(), state[f"{name}bias"].double()) for name in names]


def random_layers(seed: int) -> list[Layer]:
    """Five layers of the head's true widths, so scaled that scores differ from picture to picture."""
    torch = need("torch", REQUIREMENTS)
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for inside, outside in zip(WIDTHS, WIDTHS[1:], strict=False):
        weight = torch.randn((outside, inside), generator=generator, dtype=torch.float64) * (2 / inside) ** 0.5
        layers.append((weight, torch.randn((outside,), generator=generator, dtype=torch.float64)))
    return layers


def fold(layers: list[Layer]) -> Layer:
    """Affine maps one after the other, as one: w2 (w1 x + b1) + b2 = (w2 w1) x + (w2 b1 + b2)."""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight @ weight, next_weight @ bias + next_bias
    return weight, bias


def folded_and_checked(layers: list[Layer], seed: int) -> torch.nn.Module:
    """The head as one linear layer, having shown that it scores as the layers do that it was folded from."""
    torch = need("torch", REQUIREMENTS)
    weight, bias = fold(layers)
    if weight.shape[0] != 1:
        raise ExportError(f"the head gives {weight.shape[0]} numbers for a picture, and a scorer gives 1")
    head = torch.nn.Linear(weight.shape[1], 1)
    head.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    embeds = torch.nn.functional.normalize(noise((256, weight.shape[1]), seed), dim=-1)
    one_by_one = embeds
    for layer_weight, layer_bias in layers:
        one_by_one = torch.nn.functional.linear(one_by_one, layer_weight.float(), layer_bias.float())
    with torch.no_grad():
        worst = (head(embeds) - one_by_one).abs().max().item()
    print(f"head: {len(layers)} layers as one; largest difference of 256 scores {worst:.2e}")
    if not worst <= FOLDING_TOLERANCE:
        raise ExportError(f"the folded head differs from its layers by {worst:.3g}, more than {FOLDING_TOLERANCE}")
    return head.eval()


def check_widths(clip: CLIPModel, head: torch.nn.Module) -> None:
    """The head must have been fitted to embeddings of this width."""
    if clip.config.projection_dim != head.in_features:
        raise ExportError(
            f"the head takes embeddings of {head.in_features} numbers, and this CLIP gives {clip.config.projection_dim}; "
            f"LAION's heads for l14 belong to {CLIP}"
        )


def head_graph(head: torch.nn.Module, seed: int) -> Graph:
    """image_embeds, normalised -> aesthetic_score."""
    torch = need("torch", REQUIREMENTS)
    unit = torch.nn.functional.normalize
    return Graph(
        file="head.onnx",
        module=head,
        feeds=[{"image_embeds": unit(noise((n, head.in_features), seed + n), dim=-1)} for n in (2, 1, 64)],
        outputs=["aesthetic_score"],
        dynamic={"image_embeds": {0: "batch"}, "aesthetic_score": {0: "batch"}},
    )


def fused_graph(clip: CLIPModel, head: torch.nn.Module, seed: int) -> Graph:
    """pixel_values -> aesthetic_score."""
    torch = need("torch", REQUIREMENTS)
    vision = vision_graph(clip, seed)

    def forward(pixel_values: Tensor) -> Tensor:
        embeds = vision.module(pixel_values)
        return head(embeds / embeds.norm(dim=-1, keepdim=True))

    return Graph(
        file="model.onnx",
        module=as_module(torch.nn.ModuleList([vision.module, head]), forward),
        feeds=vision.feeds,
        outputs=["aesthetic_score"],
        dynamic={"pixel_values": {0: "batch"}, "aesthetic_score": {0: "batch"}},
    )


def card_of(args: argparse.Namespace) -> Card:
    """What the folder says of itself."""
    card = Card(
        title="Aesthetic scorer",
        operator="aesthetic",
        checkpoint=random_source(args),
        licence="none: random weights",
        packages=PACKAGES,
        random_weights=args.random is not None,
        notes=["the head's layers, affine all of them, are folded into one"],
    )
    if not args.random:
        card.checkpoint = f"head {file_source(args.head)}"
        card.licence = "of the head: see the repository that it came from"
        if args.kind != "head":
            card.checkpoint += f"; CLIP {at(args.clip, None)}"
            card.licence += f"; of CLIP: {licence_of(args.clip, None)}"
    return card


if __name__ == "__main__":
    run(main)
