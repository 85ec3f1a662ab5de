"""What is read: a picture's file, a kept row, an edit and its turns."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._errors import ThreshflowError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Picture:
    """A picture's file: nothing is decoded."""

    name: str
    """The file's name, as the shard or the release has it."""
    data: bytes
    """The file's bytes: JPEG, PNG, WebP, GIF, BMP or TIFF."""

    def __repr__(self) -> str:
        return f"Picture({self.name!r}, {len(self.data)} bytes)"

    def image(self) -> Image:
        """The picture, decoded by Pillow and turned upright by its EXIF orientation. In the file's own mode: `.convert("RGB")` if need be.

        Raises `ThreshflowError` where Pillow is not installed, and Pillow's own errors where it cannot decode the file.
        """
        try:
            from PIL import Image, ImageOps
        except ImportError as error:
            raise ThreshflowError(
                "image() needs Pillow, which is not installed: pip install pillow, or decode `data` by another library"
            ) from error
        return ImageOps.exif_transpose(Image.open(io.BytesIO(self.data)))


@dataclass(frozen=True)
class Kept:
    """A row that the run kept."""

    key: str
    """The sample's key in its shard."""
    shard: str
    """The shard's name."""
    picture: Picture
    row: dict[str, Any]
    """Every published column of the row, by name: scores, caption, sidecar, regions."""


@dataclass(frozen=True)
class Turn:
    """One instruction, with the picture before and after it."""

    prompt: str
    before: Picture
    after: Picture
    reference: Picture | None = None
    """The picture that the instruction speaks of, beside the one that is edited: of edits of the type `visual`."""


@dataclass(frozen=True)
class Pair:
    """An edit: of one turn, or of several that follow each other."""

    edit_type: str
    part: str
    """The part of the release that it is in, such as `add_part1`."""
    turns: tuple[Turn, ...]
    mask: Picture | None
    """What was to be edited, white on black, where the edit had a mask."""
    details: dict[str, Any] | None
    """The edit's row of `Details/`: source, objects, scores, judgements, stamps. None in a folder without details."""
