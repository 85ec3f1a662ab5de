"""Reads what the program `threshflow` publishes: kept pictures and edit pairs.

>>> import threshflow
>>> kept = threshflow.pictures("out")           # doctest: +SKIP
>>> kept[0].picture.image()                     # doctest: +SKIP
>>> pairs = threshflow.pairs("released")        # doctest: +SKIP
>>> pairs[0].turns[0].prompt                    # doctest: +SKIP
"""

from ._errors import ThreshflowError
from ._items import Kept, Pair, Picture, Turn
from ._pairs import Pairs, pairs
from ._pictures import Pictures, pictures
from ._reader import Reader

__all__ = [
    "Kept",
    "Pair",
    "Pairs",
    "Picture",
    "Pictures",
    "Reader",
    "ThreshflowError",
    "Turn",
    "pairs",
    "pictures",
]
