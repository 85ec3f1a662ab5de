"""Makes a Threshflow model folder out of an open_clip checkpoint, with the same ports as export_clip.py.

    pip install -r models/export/requirements-open-clip.txt
    python models/export/export_open_clip.py --model ViT-H-14-quickgelu --pretrained dfn5b --out models/clip-dfn5b-h14
    python models/export/export_open_clip.py --model ViT-B-32 --random --out /tmp/open-clip-random

--pretrained is a tag of open_clip (it downloads the checkpoint) or a file with the weights of --model.

The folder holds vision_model.onnx (pixel_values [N,3,S,S] -> image_embeds [N,D]), text_model.onnx (input_ids [N,L] ->
text_embeds [N,D]), tokenizer.json and preprocessor_config.json. N and L are free; a text is filled up to the model's
context (77) inside the graph, and cut there if it is longer. Neither output is normalised.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import CLIP_MEAN, CLIP_STD, Card, ExportError, Folder, Graph, need, need_all, parser_of, run
from _modules import as_module, count_parameters, shake
from _sources import file_source, need_one_of, random_source
from export_clip import END, START, add_part, texts, tower_graph

if TYPE_CHECKING:
    import torch
    from torch import Tensor

REQUIREMENTS = "requirements-open-clip.txt"
PACKAGES = ["torch", "open_clip_torch", "tokenizers", "onnx", "onnxruntime"]
# Texts on which tokenizer.json must agree with open_clip's own tokeniser before it is written.
PROBES = [
    "A photo of a red bow-tie",
    "not  CAR",
    "café, 2 naïve dogs' toys & 1,234 things!",
    "it's the man's hat",
    "x" * 40,
]
RESAMPLES = {"nearest": 0, "bilinear": 2, "bicubic": 3}


def main() -> None:
    args = arguments()
    need_one_of(args.pretrained, args.random, "--pretrained")
    need_all(["torch", "onnxruntime", "open_clip"], REQUIREMENTS)
    with Folder(args.out) as folder:
        model = random_model(args.model, args.random, args.seed) if args.random else load(args)
        card = card_of(args, model)
        if args.part != "text":
            folder.add(vision_graph(model, args.seed), card)
            folder.write_json("preprocessor_config.json", preprocessing(model, resize_mode(model, args.resize)))
        if args.part != "vision":
            folder.add(text_graph(model, args.seed), card)
            write_tokenizer(args.model, folder)
        folder.finish(card)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--model", required=True, help="open_clip's name of the architecture, e.g. ViT-H-14-quickgelu")
    parser.add_argument("--pretrained", help="tag of a checkpoint, e.g. dfn5b, or a file")
    parser.add_argument(
        "--resize",
        choices=["shortest", "squash"],
        help="how pictures become squares; for --pretrained FILE, which does not say (default: as the tag says, else shortest)",
    )
    add_part(parser)
    parser.add_argument("--licence", default="see the checkpoint's own card", help="of the checkpoint, for the card")
    return parser.parse_args()


def load(args: argparse.Namespace) -> torch.nn.Module:
    """A checkpoint in 32-bit floats."""
    name, pretrained = args.model, args.pretrained
    open_clip = need("open_clip", REQUIREMENTS)
    known_architecture(name)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained not in tags and not Path(pretrained).is_file():
        raise ExportError(
            f"--pretrained {pretrained} is neither a file nor a checkpoint of {name}: {', '.join(tags) or 'none'}"
        )
    try:
        model, _, _ = open_clip.create_model_and_transforms(name, pretrained=pretrained, precision="fp32")
    except (OSError, RuntimeError, ValueError) as error:
        raise ExportError(f"cannot load {name} from {pretrained}: {error}") from error
    return model.eval()


def known_architecture(name: str) -> dict[str, Any]:
    """open_clip's description of a model; the models that Threshflow's tokeniser fits."""
    open_clip = need("open_clip", REQUIREMENTS)
    config = open_clip.get_model_config(name)
    if config is None:
        raise ExportError(f"open_clip knows no {name}; it knows {', '.join(open_clip.list_models())}")
    text = config["text_cfg"]
    if "hf_model_name" in text or "hf_tokenizer_name" in text or text.get("tokenizer_kwargs"):
        raise ExportError(f"{name} has a text tower or tokeniser that is not CLIP's; only CLIP's is exported")
    return config


def random_model(name: str, size: str, seed: int) -> torch.nn.Module:
    """The architecture at its real size (full), or with two narrow layers a tower (small)."""
    open_clip = need("open_clip", REQUIREMENTS)
    torch = need("torch", REQUIREMENTS)
    torch.manual_seed(seed)
    config = known_architecture(name)
    if size == "small":
        if not isinstance(config["vision_cfg"].get("layers"), int):
            raise ExportError(f"{name}'s vision tower is no plain transformer; use --random full")
        config["vision_cfg"] |= {"layers": 2, "width": 64, "head_width": 16}
        config["text_cfg"] |= {"layers": 2, "width": 64, "heads": 4}
    custom = config.pop("custom_text", False)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config).eval()
    shake(model, seed)
    return model


def vision_graph(model: torch.nn.Module, seed: int) -> Graph:
    """pixel_values -> image_embeds."""
    return tower_graph(as_module(model.visual, model.visual), model.encode_image, edge_of(model), seed)


def text_graph(model: torch.nn.Module, seed: int) -> Graph:
    """input_ids -> text_embeds, whatever the length."""
    torch = need("torch", REQUIREMENTS)
    context = model.context_length

    def forward(input_ids: Tensor) -> Tensor:
        # Zero lies below the end's id, which marks the place that is read; attention looks only back from there.
        padding = torch.zeros_like(input_ids[:, :1]).expand(-1, context)
        return model.encode_text(torch.cat([input_ids, padding], dim=1)[:, :context])

    feeds = [{"input_ids": texts(n, length, seed)[0]} for n, length in [(2, 9), (1, 4), (3, context)]]
    return Graph(
        file="text_model.onnx",
        module=as_module(model, forward),
        feeds=feeds,
        outputs=["text_embeds"],
        dynamic={"input_ids": {0: "batch", 1: "length"}, "text_embeds": {0: "batch"}},
        reference=lambda ids: model.encode_text(torch.nn.functional.pad(ids, (0, context - ids.shape[1]))),
    )


def edge_of(model: torch.nn.Module) -> int:
    """Of the square pictures that a model takes."""
    size = model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ExportError(f"the model takes pictures of {height} x {width}, and only squares are supported")
    return height


def resize_mode(model: torch.nn.Module, told: str | None) -> str:
    """`shortest` (then the middle is cut out) or `squash` (the aspect is lost): as told, or as open_clip states it."""
    mode = told or getattr(model.visual, "preprocess_cfg", {}).get("resize_mode", "shortest")
    if mode not in ("shortest", "squash"):
        raise ExportError(
            f"the checkpoint resizes by `{mode}`, and only shortest and squash have a place in the config"
        )
    return mode


def preprocessing(model: torch.nn.Module, mode: str) -> dict[str, Any]:
    """The checkpoint's own, as open_clip states it, in transformers' words."""
    theirs = getattr(model.visual, "preprocess_cfg", {})
    edge = edge_of(model)
    squash = mode == "squash"
    square = {"height": edge, "width": edge}
    return {
        "do_resize": True,
        "size": square if squash else {"shortest_edge": edge},
        "resample": RESAMPLES[theirs.get("interpolation", "bicubic")],
        "do_center_crop": not squash,
        "crop_size": square,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(theirs.get("mean", CLIP_MEAN)),
        "image_std": list(theirs.get("std", CLIP_STD)),
        "family": "openai",
    }


def write_tokenizer(name: str, folder: Folder) -> None:
    """open_clip's byte pairs as a tokenizer.json, once it has agreed with open_clip's own tokeniser on some texts."""
    open_clip = need("open_clip", REQUIREMENTS)
    theirs = open_clip.get_tokenizer(name)
    ours = tokenizer_of(theirs)
    for text in PROBES:
        row = theirs([text])[0].tolist()
        wanted = row[: row.index(END) + 1]
        if ours.encode(text).ids != wanted:
            raise ExportError(
                f"tokenizer.json splits {text!r} into {ours.encode(text).ids}, and open_clip into {wanted}"
            )
    ours.save(str(folder.path / "tokenizer.json"))


def tokenizer_of(theirs: Any) -> Any:
    """The same vocabulary, merges and splitting, in the form that the tokenizers library reads."""
    tokenizers = need("tokenizers", REQUIREMENTS)
    from tokenizers import normalizers, pre_tokenizers, processors

    names = {START: "<|startoftext|>", END: "<|endoftext|>"}
    vocabulary = {names.get(number, token): number for token, number in theirs.encoder.items()}
    merges = sorted(theirs.bpe_ranks, key=theirs.bpe_ranks.get)
    model = tokenizers.models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=names[END])
    made = tokenizers.Tokenizer(model)
    space = tokenizers.Regex(r"\s+")
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(space, " "), normalizers.Strip(), normalizers.Lowercase()]
    )
    words = tokenizers.Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    ends = [(names[START], START), (names[END], END)]
    made.add_special_tokens([token for token, _ in ends])
    made.post_processor = processors.TemplateProcessing(single=f"{names[START]} $A {names[END]}", special_tokens=ends)
    return made


def card_of(args: argparse.Namespace, model: torch.nn.Module) -> Card:
    """What the folder says of itself."""
    file = Path(args.pretrained) if args.pretrained and Path(args.pretrained).is_file() else None
    source = f"file {file_source(file)}" if file else args.pretrained
    squash = resize_mode(model, args.resize) == "squash"
    return Card(
        title=f"CLIP {args.model}",
        operator="clip, region_score",
        checkpoint=f"open_clip {args.model}, {random_source(args) if args.random else source}",
        licence="none: random weights" if args.random else args.licence,
        packages=PACKAGES,
        random_weights=args.random is not None,
        parameters=count_parameters(model),
        notes=["pictures are squashed to a square, not cropped"] if squash else [],
    )


if __name__ == "__main__":
    run(main)
