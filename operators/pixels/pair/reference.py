"""What scikit-image says of pairs: reference.py FOLDER, with N.before.png, N.after.png and N.mask.png (white inside) in it.

Prints one JSON object: N -> the numbers of `Compared` that scikit-image has, by its own code.
"""

import glob
import json
import os
import sys

import numpy
from skimage import io, measure, metrics
from skimage.util import view_as_windows


def light(picture):
    """BT.601, rounded as Threshflow rounds it."""
    red, green, blue = (picture[..., channel].astype(numpy.uint32) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(numpy.uint8)


def said(before, after, inside):
    outside = ~inside
    far = numpy.abs(before.astype(int) - after.astype(int))
    changed = far.max(axis=2) > 10
    _, ssim = metrics.structural_similarity(light(before), light(after), win_size=7, data_range=255, full=True)
    free = view_as_windows(outside, (7, 7)).all(axis=(2, 3))
    patches = measure.label(changed & outside, connectivity=2)
    sizes = numpy.bincount(patches.ravel())[1:]
    psnr = metrics.peak_signal_noise_ratio(before[outside], after[outside], data_range=255) if far[outside].any() else 99.0
    return {
        "changed_inside": float(changed[inside].mean()),
        "changed_outside": float(changed[outside].mean()),
        "difference_inside": float(far[inside].mean() / 255),
        "difference_outside": float(far[outside].mean() / 255),
        "psnr_outside": float(psnr),
        "ssim_outside": float(ssim[3:-3, 3:-3][free].mean()) if free.any() else 1.0,
        "largest_change": float(sizes.max() / inside.size) if sizes.size else 0.0,
    }


if __name__ == "__main__":
    folder = sys.argv[1]
    told = {}
    for path in glob.glob(os.path.join(folder, "*.before.png")):
        number = os.path.basename(path).split(".")[0]
        after, mask = (io.imread(os.path.join(folder, f"{number}.{name}.png")) for name in ("after", "mask"))
        told[number] = said(io.imread(path)[..., :3], after[..., :3], mask[..., 0] > 127)
    json.dump(told, sys.stdout)
