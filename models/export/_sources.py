"""Where the weights come from: arguments that name them, loading them, and what a card says of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from _common import ExportError, need, sha256


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """The argument --checkpoint."""
    parser.add_argument("--checkpoint", help="name on the Hugging Face hub, or a folder that save_pretrained wrote")


def need_one_of(checkpoint: str | None, random: str | None, flag: str = "--checkpoint") -> None:
    """There must be weights, or the wish for random ones, and not both."""
    if (checkpoint is None) == (random is None):
        raise ExportError(f"give either {flag} or --random, to say where the weights come from")


def load_pretrained(kind: str, checkpoint: str, what: str, requirements: str) -> Any:
    """A checkpoint of transformers' class `kind` in 32-bit floats, with the attention that traces plainly."""
    transformers = need("transformers", requirements)
    torch = need("torch", requirements)
    try:
        model = getattr(transformers, kind).from_pretrained(
            checkpoint, attn_implementation="eager", dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise ExportError(f"cannot load {checkpoint} as {what}: {error}") from error
    return model.eval()


def random_source(args: argparse.Namespace) -> str:
    """What a card says in the place of a checkpoint."""
    return f"none: random weights ({args.random}, seed {args.seed})"


def file_source(path: Path) -> str:
    """A file's name without its folder, and what it holds."""
    return f"{path.name} (sha256 {sha256(path)})"


def source_of(args: argparse.Namespace, model: Any) -> str:
    """The checkpoint, or that there was none."""
    return random_source(args) if args.random else at(args.checkpoint, getattr(model.config, "_commit_hash", None))


def at(checkpoint: str, commit: str | None) -> str:
    """A checkpoint's name without the path of this machine, and its revision."""
    name = f"local folder {Path(checkpoint).name}" if Path(checkpoint).exists() else checkpoint
    return f"{name} at {commit}" if commit else name
