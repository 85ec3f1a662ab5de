"""What the export scripts do with torch's modules: wrapping, random weights, noise to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def as_module(holder: torch.nn.Module, forward: Callable[..., Any]) -> torch.nn.Module:
    """A module that computes `forward` with `holder`'s parameters: what the exporter wants to be given."""
    import torch

    class Forward(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.holder = holder

        def forward(self, *inputs: torch.Tensor) -> Any:
            return forward(*inputs)

    return Forward().eval()


def shake(model: torch.nn.Module, seed: int) -> None:
    """Random weights in every place: also where an initialisation leaves zeros or ones, which would hide a lost wire."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        # What is not trained (ultralytics has such a convolution) is a constant of the architecture.
        for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer += 0.1 * torch.randn(buffer.shape, generator=generator)
            elif name.endswith("running_var"):
                buffer *= 0.8 + 0.4 * torch.rand(buffer.shape, generator=generator)


def noise(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Standard normal numbers: as pictures look to a model that normalises them."""
    import torch

    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))


def count_parameters(model: torch.nn.Module) -> int:
    """How many numbers the model holds."""
    return sum(parameter.numel() for parameter in model.parameters())
