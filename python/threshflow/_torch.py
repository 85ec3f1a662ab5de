"""The data set for torch. Imports torch, and is itself imported where somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ._errors import ThreshflowError

try:
    from torch.utils.data import Dataset
except ImportError as error:
    raise ThreshflowError(
        "torch() needs torch, which is not installed: pip install torch, or read the set itself, which has a length, [i] and an iterator"
    ) from error

if TYPE_CHECKING:
    from ._reader import Reader

R = TypeVar("R")


class TorchDataset(Dataset[Any], Generic[R]):
    """A map-style data set: it has a length, and gives items by number. It can be pickled where `transform` can."""

    def __init__(self, items: Reader[Any], transform: Callable[[Any], R] | None = None) -> None:
        self.items, self.transform = items, transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> R:
        item = self.items[number]
        return cast(R, item) if self.transform is None else self.transform(item)
