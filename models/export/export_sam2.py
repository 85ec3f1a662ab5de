"""Makes a Threshflow model folder for the `segment` operator out of a SAM 2 or 2.1 checkpoint of transformers.

    pip install -r models/export/requirements-sam2.txt
    python models/export/export_sam2.py --checkpoint facebook/sam2.1-hiera-large --out models/sam2.1-large
    python models/export/export_sam2.py --random --out /tmp/sam2-random

encoder.onnx: pixel_values [N,3,1024,1024] -> image_embeddings.0 [N,32,256,256], .1 [N,64,128,128], .2 [N,256,64,64]
decoder.onnx: those three and input_boxes [N,P,4] (x0, y0, x1, y1 in the encoder's 1024 x 1024 pixels) -> pred_masks
              [N,P,1,256,256] (logits), iou_scores [N,P,1], object_score_logits [N,P,1]

N and P are free. A box gets one mask, not three to choose from. The video parts of a checkpoint are left out.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from _common import Card, Folder, Graph, need, need_all, parser_of, run
from _modules import as_module, count_parameters, noise, shake
from _sources import add_checkpoint, load_pretrained, need_one_of, source_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Sam2Model

REQUIREMENTS = "requirements-sam2.txt"
PACKAGES = ["torch", "transformers", "onnx", "onnxruntime"]
LICENCE = "Apache-2.0 (Meta's checkpoints; of others, see their cards)"
EMBEDDINGS = [f"image_embeddings.{level}" for level in range(3)]
OUTPUTS = ["pred_masks", "iou_scores", "object_score_logits"]


def main() -> None:
    args = arguments()
    need_one_of(args.checkpoint, args.random)
    need_all(["transformers", "torch", "onnxruntime"], REQUIREMENTS)
    with Folder(args.out) as folder:
        model = random_sam2(args.random, args.seed) if args.random else load_sam2(args.checkpoint)
        card = card_of(args, model)
        folder.add(encoder_graph(model, args.seed), card)
        folder.add(decoder_graph(model, args.seed), card)
        folder.write_json("preprocessor_config.json", preprocessing(model))
        folder.finish(card)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    add_checkpoint(parser)
    return parser.parse_args()


def load_sam2(checkpoint: str) -> Sam2Model:
    """A checkpoint of the hub, or a folder."""
    return load_pretrained("Sam2Model", checkpoint, "a SAM 2 model", REQUIREMENTS)


def random_sam2(size: str, seed: int) -> Sam2Model:
    """The sizes of SAM 2.1's tiny (small) or large (full) checkpoint; both take pictures of 1024 x 1024."""
    transformers = need("transformers", REQUIREMENTS)
    torch = need("torch", REQUIREMENTS)
    torch.manual_seed(seed)
    wide = {
        "hidden_size": 144,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
        "window_positional_embedding_background_size": [7, 7],
    }
    vision: dict[str, Any] = {}
    if size == "full":
        backbone = transformers.Sam2HieraDetConfig(**wide)
        vision = {"backbone_config": backbone, "backbone_channel_list": [1152, 576, 288, 144]}
    config = transformers.Sam2Config(vision_config=transformers.Sam2VisionConfig(**vision), attn_implementation="eager")
    model = transformers.Sam2Model(config).eval()
    shake(model, seed)
    return model


def encoder_graph(model: Sam2Model, seed: int) -> Graph:
    """pixel_values -> the three levels of embeddings."""

    def forward(pixel_values: Tensor) -> tuple[Tensor, ...]:
        return tuple(model.get_image_embeddings(pixel_values))

    edge = model.prompt_encoder.input_image_size
    return Graph(
        file="encoder.onnx",
        module=as_module(model, forward),
        feeds=[{"pixel_values": noise((n, 3, edge, edge), seed + n)} for n in (2, 1)],
        outputs=EMBEDDINGS,
        dynamic={name: {0: "batch"} for name in ["pixel_values", *EMBEDDINGS]},
    )


def decoder_graph(model: Sam2Model, seed: int) -> Graph:
    """The embeddings and boxes -> one mask a box, with its scores."""

    def forward(level0: Tensor, level1: Tensor, level2: Tensor, input_boxes: Tensor) -> tuple[Tensor, ...]:
        found = model(image_embeddings=[level0, level1, level2], input_boxes=input_boxes, multimask_output=False)
        return found.pred_masks, found.iou_scores, found.object_score_logits

    return Graph(
        file="decoder.onnx",
        module=as_module(model, forward),
        feeds=[decoder_feeds(model, seed, n, boxes) for n, boxes in [(2, 3), (1, 1), (1, 7)]],
        outputs=OUTPUTS,
        dynamic={
            **{name: {0: "batch"} for name in EMBEDDINGS},
            **{name: {0: "batch", 1: "boxes"} for name in ["input_boxes", *OUTPUTS]},
        },
    )


def decoder_feeds(model: Sam2Model, seed: int, pictures: int, boxes: int) -> dict[str, Tensor]:
    """The model's own embeddings of noise, and boxes drawn in them."""
    torch = need("torch", REQUIREMENTS)
    edge = model.prompt_encoder.input_image_size
    with torch.no_grad():
        levels = model.get_image_embeddings(noise((pictures, 3, edge, edge), seed + 10 * pictures + boxes))
    generator = torch.Generator().manual_seed(seed + boxes)
    corners = torch.rand((pictures, boxes, 2, 2), generator=generator).sort(dim=2).values * edge
    return {**dict(zip(EMBEDDINGS, levels, strict=True)), "input_boxes": corners.reshape(pictures, boxes, 4)}


def preprocessing(model: Sam2Model) -> dict[str, Any]:
    """SAM 2's: the whole picture squeezed into a square, bilinear, ImageNet's mean and deviation."""
    edge = model.prompt_encoder.input_image_size
    return {
        "do_resize": True,
        "size": {"height": edge, "width": edge},
        "resample": 2,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }


def card_of(args: argparse.Namespace, model: Sam2Model) -> Card:
    """What the folder says of itself."""
    return Card(
        title="SAM 2",
        operator="segment",
        checkpoint=source_of(args, model),
        licence="none: random weights" if args.random else LICENCE,
        packages=PACKAGES,
        random_weights=args.random is not None,
        parameters=count_parameters(model),
        notes=["one mask a box (multimask off)"],
    )


if __name__ == "__main__":
    run(main)
