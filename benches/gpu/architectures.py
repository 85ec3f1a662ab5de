"""Makes one model folder without weights: `architectures.py NAME FOLDER --size full|small`. Called by pack.py.

CLIP, SAM 2 and YOLO-World are traced by the scripts of models/export, with random weights; they need the packages of
models/export/requirements-*.txt. Nothing is compared with torch here: those scripts do that. ResNet-18 and the head of the
aesthetic scorer are written by hand, and need onnx alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import hand_made
import onnx
import skeleton

ROOT = Path(__file__).resolve().parents[2]
EXPORT, DEMO = ROOT / "models/export", ROOT / "models/demo"
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(MAKERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=["full", "small"], default="full")
    parser.add_argument("--sam2", choices=sorted(SAM2), default="large", help="which SAM 2.1 of the full size")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(EXPORT))
    what = MAKERS[args.name](args)
    made = {"what": what, "size": args.size}
    if args.name == "sam2" and args.size == "full":
        made["sam2"] = args.sam2
    write_json(args, "made.json", made)


def write(args: argparse.Namespace, name: str, proto: onnx.ModelProto) -> None:
    """A graph without its drawn weights, and a line about it."""
    out, stay = skeleton.strip(proto)
    size = skeleton.pack(proto, args.folder / name)
    print(f"{args.name}/{name}: {out:,} weights left out, {stay:,} numbers kept, {size / 1e6:.2f} MB", flush=True)


def traced(args: argparse.Namespace, graph: Any) -> None:
    """A graph as the export scripts make it."""
    from _common import to_onnx

    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        path = Path(scratch) / graph.file
        to_onnx(graph, path)
        proto = onnx.load(str(path))
    print(f"{args.name}/{graph.file}: traced in {time.monotonic() - started:.0f} s", flush=True)
    write(args, graph.file, proto)


def write_json(args: argparse.Namespace, name: str, content: dict[str, Any]) -> None:
    (args.folder / name).write_text(json.dumps(content, indent=2) + "\n")


def tokenizer(args: argparse.Namespace) -> None:
    """The demo's: its tokens are few, and a random text tower knows no words anyway."""
    shutil.copyfile(DEMO / "clip/tokenizer.json", args.folder / "tokenizer.json")


# -- the models


def clip(args: argparse.Namespace) -> str:
    """CLIP ViT-L/14: both towers."""
    import export_clip

    model = export_clip.random_clip(args.size, SEED)
    traced(args, export_clip.vision_graph(model, SEED))
    traced(args, export_clip.text_graph(model, SEED))
    write_json(args, "preprocessor_config.json", export_clip.preprocessing(None, model))
    tokenizer(args)
    return "CLIP ViT-L/14" if args.size == "full" else "CLIP, two narrow layers"


def texts(args: argparse.Namespace) -> str:
    """The text tower of CLIP ViT-B/32, which YOLO-World is asked through."""
    import export_clip
    import torch
    import transformers
    from _modules import shake

    torch.manual_seed(SEED)
    full = args.size == "full"
    sizes = export_clip.sizes(512, 12, 8) if full else export_clip.sizes(64, 2, 4)
    config = transformers.CLIPConfig(
        text_config={**sizes, "eos_token_id": 2},
        vision_config={**export_clip.sizes(64, 1, 4), "patch_size": 32, "image_size": 224},
        projection_dim=512,
        attn_implementation="eager",
    )
    model = transformers.CLIPModel(config).eval()
    shake(model, SEED)
    traced(args, export_clip.text_graph(model, SEED))
    tokenizer(args)
    return "text tower of CLIP ViT-B/32" if full else "text tower of two narrow layers"


def yolo_world(args: argparse.Namespace) -> str:
    """YOLO-World v2 at 640 x 640, whose texts are an input."""
    import export_yolo_world as export
    import torch
    from _modules import shake

    torch.manual_seed(SEED)
    world = export.load(export.SIZES[args.size])
    shake(world, SEED)
    export.spread_scores(world)
    options = argparse.Namespace(image_size=640, seed=SEED)
    traced(args, export.open_graph(world, export.plain_detector(world), options))
    write_json(args, "preprocessor_config.json", export.preprocessing(640))
    return export.SIZES[args.size].removesuffix(".yaml")


# What the sizes of SAM 2.1 differ in, as its checkpoints on the hub have it; `large` is what `--random full` makes.
SAM2: dict[str, dict[str, Any]] = {
    "large": {},
    "base+": {
        "hidden_size": 112,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 3, 16, 3],
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 14, 7],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "tiny": {},
}


def sam2(args: argparse.Namespace) -> str:
    """SAM 2.1 at 1024 x 1024: encoder and decoder."""
    import export_sam2

    size = args.sam2 if args.size == "full" else "tiny"
    if SAM2[size]:
        model = configured_sam2(SAM2[size])
    else:
        model = export_sam2.random_sam2("full" if size == "large" else "small", SEED)
    encoder = export_sam2.encoder_graph(model, SEED)
    # One picture, as the program asks: two take twice the memory, which the large model has not got everywhere.
    encoder.feeds = encoder.feeds[-1:]
    traced(args, encoder)
    traced(args, export_sam2.decoder_graph(model, SEED))
    write_json(args, "preprocessor_config.json", export_sam2.preprocessing(model))
    return f"SAM 2.1 {size}"


def configured_sam2(backbone: dict[str, Any]) -> Any:
    """A SAM 2.1 with random weights and this backbone."""
    import torch
    import transformers
    from _modules import shake

    torch.manual_seed(SEED)
    hiera = transformers.Sam2HieraDetConfig(**backbone)
    channels = backbone["embed_dim_per_stage"][::-1]
    vision = transformers.Sam2VisionConfig(backbone_config=hiera, backbone_channel_list=channels)
    model = transformers.Sam2Model(transformers.Sam2Config(vision_config=vision, attn_implementation="eager")).eval()
    shake(model, SEED)
    return model


def resnet18(args: argparse.Namespace) -> str:
    """ResNet-18 with one output, as a scorer that a score.json describes."""
    write(args, "model.onnx", hand_made.resnet18(SEED))
    write_json(args, "score.json", hand_made.RESNET18_SCORE)
    return "ResNet-18"


def head(args: argparse.Namespace) -> str:
    """LAION's kind of head: one affine map of CLIP's embedding."""
    write(args, "head.onnx", hand_made.head(768, SEED))
    return "one affine map of 768 numbers"


MAKERS = {
    "clip": clip,
    "texts": texts,
    "yolo-world": yolo_world,
    "sam2": sam2,
    "resnet18": resnet18,
    "head": head,
}

if __name__ == "__main__":
    main()
