"""Makes a Threshflow model folder for the `detect` operator out of a YOLO-World checkpoint of ultralytics.

    pip install -r models/export/requirements-yolo-world.txt
    python models/export/export_yolo_world.py --checkpoint yolov8x-worldv2.pt --text-model models/clip-b32 \\
        --out models/yolo-world
    python models/export/export_yolo_world.py --checkpoint yolov8x-worldv2.pt --text-model models/clip-b32 \\
        --labels things.txt --out models/yolo-world-things
    python models/export/export_yolo_world.py --random --out /tmp/yolo-world-random

Without --labels the vocabulary is an input, so that every picture may have its own: model.onnx takes images [N,3,S,S]
(letterboxed, 0 to 1) and text_embeds [N,K,512] (L2-normalised), and gives boxes [N,A,4] (x0, y0, x1, y1 in the
letterbox's pixels) and scores [N,A,K] (after the sigmoid). N and K are free. Where a batch holds pictures of fewer
texts, their rows are filled up by repeating one of their own, or marked by --text-mask (a picture's first text must
be a real one). With --labels (one a line) the texts are embedded here and become part of the graph: images alone go
in, and labels.txt says what the K scores mean.

--text-model is a folder that export_clip.py made of openai/clip-vit-base-patch32, the text tower that YOLO-World was
trained with. It embeds --labels; without those, its text_model.onnx and tokenizer.json are copied beside the detector.

LICENCE: ultralytics and its checkpoints are AGPL-3.0, and YOLO-World's own are GPL-3.0. This script imports the
ultralytics that you installed and holds none of its code, but the file that it writes holds the checkpoint's weights
and carries the checkpoint's licence: AGPL-3.0, unless you have another from Ultralytics. Threshflow ships no such file.
"""

from __future__ import annotations

import argparse
import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Card, ExportError, Folder, Graph, need, need_all, parser_of, run
from _modules import as_module, count_parameters, noise, shake
from _sources import file_source, need_one_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

REQUIREMENTS = "requirements-yolo-world.txt"
PACKAGES = ["torch", "ultralytics", "onnx", "onnxruntime"]
TEXT_WIDTH = 512
CONTEXT = 77
SIZES = {"small": "yolov8s-worldv2.yaml", "full": "yolov8x-worldv2.yaml"}
LICENCE = (
    "AGPL-3.0 (ultralytics, and with it its checkpoints and this file), unless Ultralytics licensed it to you otherwise"
)


def main() -> None:
    args = arguments()
    need_one_of(args.checkpoint, args.random)
    if args.labels and not (args.text_model or args.random):
        raise ExportError(
            "--labels needs --text-model, to embed them: a folder that export_clip.py made of openai/clip-vit-base-patch32"
        )
    if args.labels and args.text_mask:
        raise ExportError("--text-mask belongs to texts that are an input, and --labels makes them part of the graph")
    need_all(["torch", "onnxruntime"], REQUIREMENTS)
    # ultralytics draws the weights of an architecture itself.
    need("torch", REQUIREMENTS).manual_seed(args.seed)
    labels = read_labels(args.labels) if args.labels else None
    with Folder(args.out) as folder:
        world = load(args.checkpoint or SIZES[args.random])
        if args.random:
            shake(world, args.seed)
            spread_scores(world)
        card = card_of(args, world, labels)
        detector = plain_detector(world)
        if labels:
            folder.add(baked_graph(world, detector, embedded(labels, args), args), card)
            (folder.path / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
        else:
            graph = masked_graph(world, detector, args) if args.text_mask else open_graph(world, detector, args)
            folder.add(graph, card)
            copy_text_model(args.text_model, folder, card)
        folder.write_json("preprocessor_config.json", preprocessing(args.image_size))
        folder.finish(card)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--checkpoint", help="a .pt file of YOLO-World; ultralytics downloads those whose names it knows"
    )
    parser.add_argument(
        "--labels", type=Path, help="make this vocabulary part of the graph: a text file, one label a line"
    )
    parser.add_argument(
        "--text-model", type=Path, help="folder with text_model.onnx and tokenizer.json of CLIP ViT-B/32"
    )
    parser.add_argument(
        "--text-mask",
        action="store_true",
        help="a third input text_mask [N,K]: where it is 0 the text counts for nothing and its scores are 0",
    )
    parser.add_argument(
        "--image-size", type=int, default=640, help="edge of the letterbox, a multiple of 32 (default 640)"
    )
    args = parser.parse_args()
    if args.image_size < 32 or args.image_size % 32:
        parser.error(f"--image-size {args.image_size}: wanted is a multiple of 32, at least 32")
    return args


def read_labels(path: Path) -> list[str]:
    """One a line; empty lines are nothing, a label that comes twice is a mistake."""
    if not path.is_file():
        raise ExportError(f"{path} is not there; it should hold one label a line")
    labels = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice or not labels:
        raise ExportError(f"{path} holds {'labels twice: ' + ', '.join(twice) if twice else 'no label'}")
    return labels


# -- the detector


def load(source: str) -> torch.nn.Module:
    """ultralytics' network in 32-bit floats, from a checkpoint or from one of its descriptions."""
    ultralytics = need("ultralytics", REQUIREMENTS)
    try:
        world = ultralytics.YOLOWorld(source).model
    except Exception as error:  # ultralytics raises many kinds
        raise ExportError(f"ultralytics cannot load {source} as YOLO-World: {error}") from error
    head = world.model[-1]
    if type(head).__name__ != "WorldDetect":
        raise ExportError(f"{source} ends in {type(head).__name__}, and YOLO-World ends in WorldDetect")
    return world.float().eval()


def spread_scores(world: torch.nn.Module) -> None:
    """Untrained heads score everything near 0, where a check would see nothing; this brings scores near a half."""
    torch = need("torch", REQUIREMENTS)
    with torch.no_grad():
        for contrast in world.model[-1].cv4:
            contrast.bias.fill_(0.1)
            contrast.logit_scale.fill_(1.0)


def plain_detector(world: torch.nn.Module) -> torch.nn.Module:
    """images, text_embeds -> boxes, scores: ultralytics' network up to its branches, our own reading of them.

    Its head keeps the number of texts as a Python number, which a trace would freeze, and gives centres and sizes. So
    the head's forward is replaced on this instance by one that leaves K free and gives corners.
    """
    head = world.model[-1]
    head.forward = lambda levels, text: read_branches(head, levels, text)
    return as_module(world, lambda images, text_embeds: world.predict(images, txt_feats=text_embeds))


def ultralytics_own(world: torch.nn.Module, images: Tensor, text_embeds: Tensor) -> tuple[Tensor, Tensor]:
    """What ultralytics' own head makes of the same input, in our form: what ours is compared with."""
    torch = need("torch", REQUIREMENTS)
    head = world.model[-1]
    ours, head.nc = head.forward, text_embeds.shape[1]
    head.forward = functools.partial(type(head).forward, head)
    found = world.predict(images, txt_feats=text_embeds)
    head.forward = ours
    found = found[0] if isinstance(found, tuple) else found
    centre, size, scores = found.transpose(1, 2).split([2, 2, text_embeds.shape[1]], dim=2)
    return torch.cat([centre - size / 2, centre + size / 2], dim=2), scores


def read_branches(head: torch.nn.Module, levels: list[Tensor], text: Tensor) -> tuple[Tensor, Tensor]:
    """Every level's distances and contrasts, over all its cells: corners in pixels, and scores."""
    torch = need("torch", REQUIREMENTS)
    boxes, scores = [], []
    for level, stride, box_branch, embed_branch, contrast in zip(
        levels, head.stride.tolist(), head.cv2, head.cv3, head.cv4, strict=True
    ):
        scores.append(contrast(embed_branch(level), text).flatten(2))
        # [N, 4 sides * bins, cells]: a distribution a side over distances of 0, 1, ... cells; its mean is the distance.
        bins = box_branch(level).flatten(2).unflatten(1, (4, head.reg_max)).softmax(dim=2)
        distance = (bins * torch.arange(head.reg_max, dtype=bins.dtype)[:, None]).sum(dim=2)
        left_top, right_bottom = distance.split(2, dim=1)
        centre = cell_centres(level.shape[-2], level.shape[-1]).to(bins.dtype)
        boxes.append(torch.cat([centre - left_top, centre + right_bottom], dim=1) * stride)
    return torch.cat(boxes, dim=2).transpose(1, 2), torch.cat(scores, dim=2).transpose(1, 2).sigmoid()


def cell_centres(rows: int, columns: int) -> Tensor:
    """x and y of every cell's middle, row by row, counted in cells: [2, cells]."""
    torch = need("torch", REQUIREMENTS)
    y, x = torch.meshgrid(torch.arange(int(rows)) + 0.5, torch.arange(int(columns)) + 0.5, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()])


# -- the graphs


def open_graph(world: torch.nn.Module, detector: torch.nn.Module, args: argparse.Namespace) -> Graph:
    """images, text_embeds -> boxes, scores."""
    return Graph(
        file="model.onnx",
        module=detector,
        feeds=[
            {"images": pixels(pictures, args), "text_embeds": unit((pictures, texts, TEXT_WIDTH), args.seed + texts)}
            for pictures, texts in [(2, 3), (1, 1), (1, 80)]
        ],
        outputs=["boxes", "scores"],
        dynamic={
            "images": {0: "batch"},
            "text_embeds": {0: "batch", 1: "texts"},
            "boxes": {0: "batch"},
            "scores": {0: "batch", 2: "texts"},
        },
        reference=functools.partial(ultralytics_own, world),
    )


def masked_graph(world: torch.nn.Module, detector: torch.nn.Module, args: argparse.Namespace) -> Graph:
    """images, text_embeds, text_mask -> boxes, scores. An image's first text must not be masked."""
    torch = need("torch", REQUIREMENTS)
    graph = open_graph(world, detector, args)

    def forward(images: Tensor, text_embeds: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        # The network takes the best of an image's texts, and a repetition of one of them changes no maximum.
        texts = torch.where(text_mask[..., None] > 0, text_embeds, text_embeds[:, :1])
        boxes, scores = detector(images, texts)
        return boxes, scores * (text_mask > 0)[:, None, :].to(scores.dtype)

    def reference(images: Tensor, text_embeds: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        kept = text_mask[0] > 0
        boxes, some = ultralytics_own(world, images, text_embeds[:, kept])
        scores = torch.zeros((*some.shape[:2], len(kept)))
        scores[..., kept] = some
        return boxes, scores

    for feed in graph.feeds:
        feed["text_mask"] = torch.ones(feed["text_embeds"].shape[:2])
        feed["text_mask"][:, 1::2] = 0
    graph.module, graph.reference = as_module(detector, forward), reference
    graph.dynamic["text_mask"] = graph.dynamic["text_embeds"]
    return graph


def baked_graph(world: torch.nn.Module, detector: torch.nn.Module, embeds: Tensor, args: argparse.Namespace) -> Graph:
    """images -> boxes, scores of a vocabulary that is part of the graph."""

    def every(images: Tensor) -> Tensor:
        return embeds[None].expand(images.shape[0], -1, -1)

    return Graph(
        file="model.onnx",
        module=as_module(detector, lambda images: detector(images, every(images))),
        feeds=[{"images": pixels(n, args)} for n in (2, 1)],
        outputs=["boxes", "scores"],
        dynamic={name: {0: "batch"} for name in ("images", "boxes", "scores")},
        reference=lambda images: ultralytics_own(world, images, every(images)),
    )


def pixels(pictures: int, args: argparse.Namespace) -> Tensor:
    """Noise between 0 and 1."""
    return noise((pictures, 3, args.image_size, args.image_size), args.seed + pictures).sigmoid()


def unit(shape: tuple[int, ...], seed: int) -> Tensor:
    """Vectors of length 1."""
    torch = need("torch", REQUIREMENTS)
    return torch.nn.functional.normalize(noise(shape, seed), dim=-1)


# -- texts


def embedded(labels: list[str], args: argparse.Namespace) -> Tensor:
    """The labels as the text tower embeds them, L2-normalised: [K, 512]."""
    torch = need("torch", REQUIREMENTS)
    if args.text_model is None:
        return unit((len(labels), TEXT_WIDTH), args.seed)
    onnxruntime = need("onnxruntime", REQUIREMENTS)
    tokenizers = need("tokenizers", REQUIREMENTS)
    graph, tokens = text_files(args.text_model)
    tokenizer = tokenizers.Tokenizer.from_file(str(tokens))
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(length=CONTEXT)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    rows = []
    for encoding in tokenizer.encode_batch(labels):
        ports = {"input_ids": [encoding.ids], "attention_mask": [encoding.attention_mask]}
        feed = {port.name: torch.tensor(ports[port.name]).numpy() for port in session.get_inputs()}
        rows.append(torch.from_numpy(session.run(["text_embeds"], feed)[0]))
    embeds = torch.cat(rows)
    if embeds.shape[1] != TEXT_WIDTH:
        raise ExportError(
            f"{graph} embeds in {embeds.shape[1]} numbers, and YOLO-World wants CLIP ViT-B/32's {TEXT_WIDTH}"
        )
    return torch.nn.functional.normalize(embeds, dim=-1)


def text_files(folder: Path) -> tuple[Path, Path]:
    """The two files of a text model."""
    files = folder / "text_model.onnx", folder / "tokenizer.json"
    for file in files:
        if not file.is_file():
            raise ExportError(
                f"{file} is not there; make the folder with export_clip.py of openai/clip-vit-base-patch32"
            )
    return files


def copy_text_model(source: Path | None, folder: Folder, card: Card) -> None:
    """Puts the text tower beside a detector that takes texts, if there is one to put."""
    if source is None:
        card.notes.append("no text_model.onnx: put CLIP ViT-B/32's, and its tokenizer.json, beside model.onnx")
        return
    for file in text_files(source):
        shutil.copyfile(file, folder.path / file.name)
    card.notes.append("text_model.onnx and tokenizer.json are CLIP ViT-B/32's, with a licence of their own")


# -- what is written beside the graph


def preprocessing(edge: int) -> dict[str, Any]:
    """The letterbox that ultralytics puts a picture in; no mean and deviation are taken off."""
    return {
        "do_resize": True,
        "size": {"height": edge, "width": edge},
        "resample": 2,
        "do_pad": True,
        "pad_value": 114,
        "letterbox": "ultralytics",
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    }


def card_of(args: argparse.Namespace, world: torch.nn.Module, labels: list[str] | None) -> Card:
    """What the folder says of itself."""
    file = Path(args.checkpoint) if args.checkpoint else None
    known = file_source(file) if file and file.is_file() else args.checkpoint
    random = f"none: random weights ({args.random}: {SIZES.get(args.random)}, seed {args.seed})"
    return Card(
        title="YOLO-World",
        operator="detect",
        checkpoint=random if args.random else known,
        # Also without its weights, the graph follows ultralytics' network.
        licence=LICENCE,
        packages=PACKAGES,
        random_weights=args.random is not None,
        parameters=count_parameters(world),
        notes=[f"a vocabulary of {len(labels)} labels is part of the graph"] if labels else [],
    )


if __name__ == "__main__":
    run(main)
