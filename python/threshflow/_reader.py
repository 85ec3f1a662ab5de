"""What both sets have in common: they are read by number or in order, and become a data set of torch."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

if TYPE_CHECKING:
    from ._torch import TorchDataset

T = TypeVar("T")
R = TypeVar("R")


class Reader(ABC, Generic[T]):
    """Items that are read when they are asked for. It can be pickled, and a pickle has no open files in it."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _item(self, number: int) -> T: ...

    @abstractmethod
    def _row(self, number: int) -> dict[str, Any]: ...

    def __getitem__(self, number: SupportsIndex) -> T:
        """An item with its pictures. Below zero, it is counted from the end."""
        return self._item(self._number(number))

    def __iter__(self) -> Iterator[T]:
        """All items, in the order in which they are published."""
        return (self._item(number) for number in range(len(self)))

    def row(self, number: SupportsIndex) -> dict[str, Any]:
        """What is published of an item, by column, without its pictures: to choose by, at little cost."""
        return self._row(self._number(number))

    @overload
    def torch(self, transform: None = None) -> TorchDataset[T]: ...

    @overload
    def torch(self, transform: Callable[[T], R]) -> TorchDataset[R]: ...

    def torch(self, transform: Callable[[T], Any] | None = None) -> TorchDataset[Any]:
        """The same as a `torch.utils.data.Dataset`, which gives `transform(item)`, or the item itself where there is no `transform`.

        Raises `ThreshflowError` where torch is not installed.
        """
        from ._torch import TorchDataset

        return TorchDataset(self, transform)

    def _number(self, number: SupportsIndex) -> int:
        at = operator.index(number)
        at = at + len(self) if at < 0 else at
        if not 0 <= at < len(self):
            raise IndexError(f"{number} is out of range: there are {len(self)} items, from 0 on")
        return at
