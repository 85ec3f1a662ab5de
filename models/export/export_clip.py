"""Makes a Threshflow model folder out of a CLIP checkpoint of transformers.

    pip install -r models/export/requirements-clip.txt
    python models/export/export_clip.py --checkpoint openai/clip-vit-large-patch14 --out models/clip-l14
    python models/export/export_clip.py --random --out /tmp/clip-random

The folder holds vision_model.onnx (pixel_values [N,3,S,S] -> image_embeds [N,D]), text_model.onnx (input_ids and
attention_mask [N,L] -> text_embeds [N,D]), tokenizer.json and preprocessor_config.json. N and L (up to the
checkpoint's context, 77) are free. Neither output is normalised; who compares them divides by their norms.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from _common import CLIP_MEAN, CLIP_STD, Card, ExportError, Folder, Graph, need, need_all, parser_of, run
from _modules import as_module, count_parameters, noise, shake
from _sources import add_checkpoint, load_pretrained, need_one_of, source_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import CLIPModel

REQUIREMENTS = "requirements-clip.txt"
PACKAGES = ["torch", "transformers", "tokenizers", "onnx", "onnxruntime"]
START, END = 49406, 49407
LICENCES = {
    "openai/clip-vit-": "MIT (OpenAI's CLIP)",
    "laion/": "MIT (LAION's checkpoints)",
}


def main() -> None:
    args = arguments()
    need_one_of(args.checkpoint, args.random)
    need_all(["transformers", "torch", "onnxruntime"], REQUIREMENTS)
    with Folder(args.out) as folder:
        model = random_clip(args.random, args.seed) if args.random else load_clip(args.checkpoint)
        card = card_of(args, model)
        if args.part != "text":
            folder.add(vision_graph(model, args.seed), card)
            folder.write_json("preprocessor_config.json", preprocessing(args.checkpoint, model))
        if args.part != "vision":
            folder.add(text_graph(model, args.seed), card)
            write_tokenizer(args.checkpoint, folder, card)
        folder.finish(card)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    add_checkpoint(parser)
    add_part(parser)
    parser.add_argument("--licence", help="of the checkpoint, for the card; known for OpenAI's and LAION's")
    return parser.parse_args()


def add_part(parser: argparse.ArgumentParser) -> None:
    """The argument --part."""
    parser.add_argument(
        "--part", choices=["both", "vision", "text"], default="both", help="which graphs (default both)"
    )


def load_clip(checkpoint: str) -> CLIPModel:
    """A checkpoint of the hub, or a folder."""
    return load_pretrained("CLIPModel", checkpoint, "a CLIP model", REQUIREMENTS)


def random_clip(size: str, seed: int) -> CLIPModel:
    """OpenAI's ViT-L/14 (full), or two narrow layers of the same structure and the same ports (small)."""
    transformers = need("transformers", REQUIREMENTS)
    torch = need("torch", REQUIREMENTS)
    torch.manual_seed(seed)
    full = size == "full"
    vision = sizes(1024, 24, 16) if full else sizes(64, 2, 4)
    text = sizes(768, 12, 12) if full else sizes(64, 2, 4)
    config = transformers.CLIPConfig(
        vision_config={**vision, "patch_size": 14, "image_size": 224},
        # 2 is what OpenAI's checkpoints have for the end: the place of the highest token is then taken.
        text_config={**text, "eos_token_id": 2},
        projection_dim=768,
        attn_implementation="eager",
    )
    model = transformers.CLIPModel(config).eval()
    shake(model, seed)
    return model


def sizes(width: int, layers: int, heads: int) -> dict[str, int]:
    """Of a tower."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }


def vision_graph(model: CLIPModel, seed: int) -> Graph:
    """pixel_values -> image_embeds."""

    def forward(pixel_values: Tensor) -> Tensor:
        return model.visual_projection(model.vision_model(pixel_values=pixel_values).pooler_output)

    def reference(pixel_values: Tensor) -> Tensor:
        return pooled(model.get_image_features(pixel_values=pixel_values))

    return tower_graph(as_module(model, forward), reference, model.config.vision_config.image_size, seed)


def tower_graph(module: Any, reference: Callable[[Tensor], Tensor], edge: int, seed: int) -> Graph:
    """The graph of a vision tower that takes squares of this edge."""
    return Graph(
        file="vision_model.onnx",
        module=module,
        feeds=[{"pixel_values": noise((n, 3, edge, edge), seed + n)} for n in (2, 1, 3)],
        outputs=["image_embeds"],
        dynamic={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}},
        reference=reference,
    )


def text_graph(model: CLIPModel, seed: int) -> Graph:
    """input_ids, attention_mask -> text_embeds."""

    def forward(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return model.text_projection(model.text_model(input_ids, attention_mask).pooler_output)

    longest = model.config.text_config.max_position_embeddings
    shapes = [(2, 9), (1, 4), (3, longest)]
    ports = ("input_ids", "attention_mask")
    return Graph(
        file="text_model.onnx",
        module=as_module(model, forward),
        feeds=[dict(zip(ports, texts(n, length, seed), strict=True)) for n, length in shapes],
        outputs=["text_embeds"],
        dynamic={**{port: {0: "batch", 1: "length"} for port in ports}, "text_embeds": {0: "batch"}},
        reference=lambda ids, mask: pooled(model.get_text_features(input_ids=ids, attention_mask=mask)),
    )


def pooled(features: Any) -> Tensor:
    """transformers 4 gives the embeddings themselves, transformers 5 a record that holds them."""
    return getattr(features, "pooler_output", features)


def texts(rows: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Token ids as a tokeniser gives them: start, words, end, padding; a row more is a word less."""
    torch = need("torch", REQUIREMENTS)
    ids = torch.randint(300, START, (rows, length), generator=torch.Generator().manual_seed(seed + length))
    mask = torch.ones_like(ids)
    ids[:, 0] = START
    for row in range(rows):
        end = max(1, length - 1 - row)
        ids[row, end:] = END
        mask[row, end + 1 :] = 0
    return ids, mask


def preprocessing(checkpoint: str | None, model: CLIPModel) -> dict[str, Any]:
    """The checkpoint's own preprocessing, in the fields that matter; CLIP's usual one for random weights."""
    edge = model.config.vision_config.image_size
    usual = {
        "do_resize": True,
        "size": {"shortest_edge": edge},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": edge, "width": edge},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
    }
    if checkpoint is None:
        return usual
    transformers = need("transformers", REQUIREMENTS)
    try:
        theirs = transformers.AutoImageProcessor.from_pretrained(checkpoint).to_dict()
    except (OSError, ValueError) as error:
        raise ExportError(f"{checkpoint} has no image preprocessing that transformers can read: {error}") from error
    return {**usual, **{key: plain(theirs[key]) for key in usual if theirs.get(key) is not None}}


def plain(value: Any) -> Any:
    """As JSON has it: transformers keeps sizes and filters in types of its own."""
    if isinstance(value, bool) or value is None:
        return value
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, int) else value


def write_tokenizer(checkpoint: str | None, folder: Folder, card: Card) -> None:
    """The checkpoint's tokeniser as tokenizer.json, once it has shown that it speaks CLIP's tokens."""
    if checkpoint is None:
        card.notes.append("no tokenizer.json: random weights understand no words")
        return
    transformers = need("transformers", REQUIREMENTS)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        raise ExportError(f"{checkpoint} has no tokeniser that transformers can read: {error}") from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ExportError(f"{checkpoint} has only a slow tokeniser, and tokenizer.json needs a fast one")
    backend.no_padding()
    backend.no_truncation()
    ids = backend.encode("A photo of a red bow tie").ids
    if ids[0] != START or ids[-1] != END:
        raise ExportError(f"{checkpoint}'s tokens are not CLIP's: {ids} should start with {START} and end with {END}")
    backend.save(str(folder.path / "tokenizer.json"))


def card_of(args: argparse.Namespace, model: CLIPModel) -> Card:
    """What the folder says of itself."""
    operators = {"vision": "aesthetic (with a head.onnx)", "text": "detect (its text)", "both": "clip, region_score"}
    return Card(
        title="CLIP",
        operator=operators[args.part],
        checkpoint=source_of(args, model),
        licence="none: random weights" if args.random else licence_of(args.checkpoint, args.licence),
        packages=PACKAGES,
        random_weights=args.random is not None,
        parameters=count_parameters(model),
    )


def licence_of(checkpoint: str, given: str | None) -> str:
    """As told, or as known of the checkpoint's maker."""
    known = (licence for start, licence in LICENCES.items() if checkpoint.startswith(start))
    return given or next(known, "see the checkpoint's own card")


if __name__ == "__main__":
    run(main)
