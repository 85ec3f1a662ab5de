"""Writes a shard of natural photographs: photographs.py OUT.tar.

They are those that come with the packages scikit-image and scikit-learn, whole and as crops: 45 pictures. Nothing of them is kept in this
repository. Their licences stand in the packages.

    pip install scikit-image scikit-learn pillow
"""

import io
import os
import sys
import tarfile

import numpy
import skimage
import sklearn
from PIL import Image

OF_SKIMAGE = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png"]
OF_SKLEARN = ["china.jpg", "flower.jpg"]
# Left, top, right, bottom in parts of the sides; whether it is mirrored.
WINDOWS = [
    (0, 0, 1, 1, False),
    (0, 0, 0.75, 0.75, False),
    (0.25, 0, 1, 0.75, True),
    (0, 0.25, 0.75, 1, True),
    (0.25, 0.25, 1, 1, False),
    (0.15, 0.1, 0.85, 0.9, True),
]


def photographs():
    for package, folder, names in [(skimage, "data", OF_SKIMAGE), (sklearn, "datasets/images", OF_SKLEARN)]:
        for name in names:
            path = os.path.join(os.path.dirname(package.__file__), folder, name)
            yield os.path.splitext(name)[0], Image.open(path).convert("RGB")


def crops():
    for name, photograph in photographs():
        for number, (left, top, right, bottom, mirrored) in enumerate(WINDOWS):
            if name == "motorcycle_right" and number > 2:
                continue
            width, height = photograph.size
            crop = photograph.crop([round(part * side) for part, side in zip((left, top, right, bottom), (width, height) * 2)])
            if mirrored:
                crop = Image.fromarray(numpy.ascontiguousarray(numpy.asarray(crop)[:, ::-1]))
            yield f"{name}_{number}", crop


if __name__ == "__main__":
    with tarfile.open(sys.argv[1], "w") as tar:
        for key, picture in crops():
            file = io.BytesIO()
            picture.save(file, "PNG")
            member = tarfile.TarInfo(f"{key}.png")
            member.size = file.tell()
            file.seek(0)
            tar.addfile(member, file)
