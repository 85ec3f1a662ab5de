"""Makes picture files of all kinds, whole and broken, and what Pillow sees in them: for `operators/pixels/decode/against_pillow.rs`.

    python3 tests/pictures FOLDER [--count 300] [--seed 1] [--kinds sound,cjpeg]

In FOLDER there is then pictures.tar with a sample NUMBER.jpg for every file, whatever its format; NUMBER.rgb with Pillow's pixels,
turned upright, 3 bytes each, where Pillow opens it; NUMBER.2.rgb and NUMBER.4.rgb with those of Pillow's scaled decoding, where the file
is a JPEG with no side below 8 pixels; and in list.tsv a line: number, kind, what must become of it, width, height (0 0 where Pillow
refuses it). What must become of a file:

    kept        decoded, to Pillow's pixels
    as Pillow   decoded to Pillow's pixels, or refused; refused where Pillow refuses
    refused     refused, whatever Pillow makes of it: it isn't whole
    damaged     anything but a panic: nothing says what it should show
"""

import argparse
import io
import pathlib
import sys
import tarfile
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import jpegs  # noqa: E402
import rasters  # noqa: E402
import turned  # noqa: E402

ImageFile.LOAD_TRUNCATED_IMAGES = False


def seen(data, divisor=1):
    """Pillow's picture, or None; of a JPEG at a half or a quarter of its size, where the divisor says so."""
    try:
        with rasters.silence(), Image.open(io.BytesIO(data)) as image:
            if divisor > 1:
                if image.format != "JPEG" or min(image.size) < 8:
                    return None
                image.draft(image.mode, tuple(side // divisor for side in image.size))
            image.load()
            try:
                image = ImageOps.exif_transpose(image)
            except Exception:
                # An orientation that can't be read is none.
                pass
            return as_rgb(image)
    except Exception:
        return None


def as_rgb(image):
    """`convert("RGB")`, but for 16 bits a channel, of which Pillow makes white: they are shifted, as Pillow does with colours of 16 bits."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    return image.convert("RGB")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--count", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--kinds", default="")
    arguments = arguments.parse_args()
    warnings.simplefilter("ignore")
    kinds = jpegs.KINDS + rasters.KINDS + turned.KINDS
    if arguments.kinds:
        kinds = [kind for kind in kinds if kind[0] in arguments.kinds.split(",")]
    dice = np.random.default_rng(arguments.seed)
    weights = np.array([kind[3] for kind in kinds], float)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    made = 0
    with open(arguments.folder / "list.tsv", "w") as listed, tarfile.open(arguments.folder / "pictures.tar", "w") as tar:
        while made < arguments.count:
            # Every kind at least once, where there is room.
            name, maker, becomes, _ = kinds[made if made < len(kinds) <= arguments.count else dice.choice(len(kinds), p=weights / weights.sum())]
            data = next((data for data in (maker(dice) for _ in range(20)) if data), None)
            if data is None:
                # Its tool is not here.
                data, name, becomes = jpegs.sound(dice), "sound", "as Pillow"
            image = seen(data)
            member = tarfile.TarInfo(f"{made}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            if image is not None:
                (arguments.folder / f"{made}.rgb").write_bytes(image.tobytes())
                for divisor in (2, 4):
                    scaled = seen(data, divisor)
                    if scaled is not None:
                        (arguments.folder / f"{made}.{divisor}.rgb").write_bytes(scaled.tobytes())
            width, height = image.size if image is not None else (0, 0)
            print(made, name, becomes, width, height, sep="\t", file=listed)
            made += 1


main()
