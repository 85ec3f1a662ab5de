"""What the export scripts share: arguments, the way from torch to ONNX, the check of one against the other, the card.

A folder is made under a temporary name and gets its own only when every graph in it agreed with torch, so a folder
that is there has passed its check. Nothing heavy is imported before the arguments have been read: `--help` works with
Python alone, and a package that is missing is named together with the requirements file that holds it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import logging
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    import torch

HERE = Path(__file__).resolve().parent
OPSET = 17
# Raised when the scripts write something else for the same checkpoint.
SCRIPT_VERSION = 1
# Of onnxruntime from torch in 32-bit floats, absolute.
TOLERANCE = 1e-3
# A protobuf file may hold 2 GB; what is larger keeps its weights in a file beside the graph.
MOST_INLINE = 1_900_000_000
CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


class ExportError(Exception):
    """What the user can do something about; shown without a traceback."""


@dataclass
class Graph:
    """One ONNX file to make: a torch module, inputs to trace and compare it with, and its contract."""

    file: str
    module: torch.nn.Module
    # Each gives every input by name. The first is traced; all are compared, so let their dynamic axes differ.
    feeds: list[dict[str, torch.Tensor]]
    outputs: list[str]
    # Input or output name -> axis -> the axis' name. All others are fixed.
    dynamic: dict[str, dict[int, str]]
    # The library's own way to the same outputs, to compare with; `module` itself where that is the way.
    reference: Callable[..., Any] | None = None


@dataclass
class Difference:
    """Of one output, over all feeds: the largest from torch, and the largest value in torch."""

    worst: float = 0.0
    largest: float = 0.0


@dataclass
class Card:
    """Where a folder's contents come from; written beside them."""

    title: str
    operator: str
    checkpoint: str
    licence: str
    packages: Sequence[str]
    random_weights: bool = False
    parameters: int = 0
    notes: list[str] = field(default_factory=list)
    graphs: dict[str, Any] = field(default_factory=dict)


# -- arguments and errors


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the script's docstring, with the arguments that all scripts have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to make; must not be there yet, or be empty")
    parser.add_argument(
        "--random",
        choices=["small", "full"],
        nargs="?",
        const="small",
        help="no checkpoint: random weights, cut down (small, the default) or at the real size (full)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the random weights and of the check's inputs (default 1)"
    )
    return parser


def run(main: Callable[[], None]) -> None:
    """Runs a script's main: exit code 0, or 1 with one line that says what failed."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        main()
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def need(module: str, requirements: str) -> Any:
    """Imports a package, or says which requirements file has it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        file = HERE / requirements
        raise ExportError(f"cannot import {module} ({error}); pip install -r {file}") from error


def need_all(modules: Sequence[str], requirements: str) -> None:
    """Sees to it that packages are there before the work begins."""
    for module in modules:
        need(module, requirements)


# -- folders


class Folder:
    """A model folder in the making: `with Folder(out) as folder: ...`; it is there afterwards, or nothing is."""

    def __init__(self, out: Path) -> None:
        self.out = out
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ExportError(f"{out} is there and not empty; name another --out, or remove it")

    def __enter__(self) -> Folder:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix=f".{self.out.name}.", dir=self.out.parent))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            shutil.rmtree(self.path)
            return
        # The folder comes from mkdtemp and external data from onnx: both for their owner's eyes only.
        self.path.chmod(0o755)
        for file in self.path.iterdir():
            file.chmod(0o644)
        self.path.replace(self.out)
        total = sum(file.stat().st_size for file in self.out.iterdir())
        print(f"{self.out}: {total / 1e6:.1f} MB")

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Writes one of the folder's small files."""
        (self.path / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def add(self, graph: Graph, card: Card) -> None:
        """Exports a graph, compares it with torch, and writes both results down."""
        started = time.monotonic()
        path = self.path / graph.file
        to_onnx(graph, path)
        found = compare(path, graph)
        describe(graph.file, path, found, time.monotonic() - started)
        for name, difference in found.items():
            # Written so that NaN fails too.
            if not difference.worst <= TOLERANCE:
                raise ExportError(
                    f"{graph.file}: {name} differs from torch by {difference.worst:.3g}, more than {TOLERANCE}"
                )
        differences = {name: float(f"{difference.worst:.3g}") for name, difference in found.items()}
        card.graphs[graph.file] = {**signature(path), "largest_difference": differences}

    def finish(self, card: Card) -> None:
        """Writes model_card.json and README.md: sources, versions, ports, and the hash of every file."""
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in sorted(self.path.iterdir())
        }
        content = {
            "title": card.title,
            "operator": card.operator,
            "checkpoint": card.checkpoint,
            "random_weights": card.random_weights,
            "licence": card.licence,
            "parameters": card.parameters,
            "script": Path(sys.argv[0]).name,
            "script_version": SCRIPT_VERSION,
            "opset": OPSET,
            "versions": {"python": platform.python_version(), **{name: version_of(name) for name in card.packages}},
            "graphs": card.graphs,
            "files": files,
            "notes": card.notes,
        }
        self.write_json("model_card.json", content)
        (self.path / "README.md").write_text(readme(content), encoding="utf-8")


def sha256(path: Path) -> str:
    """Of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def version_of(package: str) -> str:
    """Of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def readme(card: dict[str, Any]) -> str:
    """The card, for people."""
    rows = [
        ("checkpoint", card["checkpoint"]),
        ("licence", card["licence"]),
        ("for the operator", f"`{card['operator']}`"),
        ("made by", f"`models/export/{card['script']}`, version {card['script_version']}, opset {card['opset']}"),
    ]
    lines = [f"# {card['title']}", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    for file, graph in card["graphs"].items():
        inputs, outputs = (
            ", ".join(f"`{name}` {shape}" for name, shape in graph[side].items()) for side in ("inputs", "outputs")
        )
        lines.append(f"- `{file}`: {inputs} -> {outputs}")
    lines += [f"- {note}" for note in card["notes"]]
    lines += ["", "`model_card.json` holds the versions, the difference from torch, and the hash of every file.", ""]
    return "\n".join(lines)


# -- torch to ONNX


def to_onnx(graph: Graph, path: Path) -> None:
    """Traces the module and writes it as one file, or as two where it is over 2 GB."""
    import onnx
    import torch

    feeds = graph.feeds[0]
    # The fast path of torch's own attention is a single operator that ONNX does not have.
    torch.backends.mha.set_fastpath_enabled(False)
    # The exporter strews the weights of a large model over many files, so it works in a folder of its own.
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        raw = Path(scratch) / "graph.onnx"
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph.module,
                tuple(feeds.values()),
                str(raw),
                input_names=list(feeds),
                output_names=graph.outputs,
                dynamic_axes=graph.dynamic,
                opset_version=OPSET,
                dynamo=False,
            )
        proto = onnx.load(str(raw))
    state_shapes(proto, graph)
    save(proto, path)


def state_shapes(proto: onnx.ModelProto, graph: Graph) -> None:
    """Writes down every output's shape: the exporter loses track of some axes and makes up names for them."""
    import torch

    with torch.no_grad():
        outputs = graph.module(*graph.feeds[0].values())
    for port, output in zip(proto.graph.output, as_list(outputs), strict=True):
        free = graph.dynamic.get(port.name, {})
        for place, (axis, length) in enumerate(zip(port.type.tensor_type.shape.dim, output.shape, strict=True)):
            if place in free:
                axis.dim_param = free[place]
            else:
                axis.dim_value = length


def as_list(outputs: Any) -> list[torch.Tensor]:
    """A module gives one tensor, or several."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def save(proto: onnx.ModelProto, path: Path) -> None:
    """Writes a model, its weights beside it where they are too many, and checks it."""
    import onnx

    if sum(len(tensor.raw_data) for tensor in proto.graph.initializer) > MOST_INLINE:
        beside = dict(save_as_external_data=True, all_tensors_to_one_file=True, location=f"{path.name}_data")
        onnx.save(proto, str(path), size_threshold=1024, **beside)
    else:
        onnx.save(proto, str(path))
    onnx.checker.check_model(str(path))


# -- the check


def compare(path: Path, graph: Graph) -> dict[str, Difference]:
    """Runs every feed through onnxruntime and torch; says how far each output is apart."""
    import numpy as np
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    differences = {name: Difference() for name in graph.outputs}
    for feeds in graph.feeds:
        with torch.no_grad():
            expected = as_list((graph.reference or graph.module)(*feeds.values()))
        found = session.run(graph.outputs, {name: tensor.numpy() for name, tensor in feeds.items()})
        for name, from_torch, from_onnx in zip(graph.outputs, expected, found, strict=True):
            reference = from_torch.numpy()
            if (reference.shape, reference.dtype) != (from_onnx.shape, from_onnx.dtype):
                kinds = f"{from_onnx.dtype}{from_onnx.shape}, and {reference.dtype}{reference.shape} in torch"
                raise ExportError(f"{graph.file}: {name} is {kinds}")
            if not np.isfinite(reference).all():
                raise ExportError(f"{graph.file}: torch's own {name} is not finite; look at the checkpoint")
            so_far = differences[name]
            # np.maximum keeps a NaN; max() would drop it.
            so_far.worst = float(np.maximum(so_far.worst, np.abs(reference - from_onnx).max()))
            so_far.largest = max(so_far.largest, float(np.abs(reference).max()))
    return differences


def describe(name: str, path: Path, found: dict[str, Difference], seconds: float) -> None:
    """One line of the script's output."""
    data = path.with_name(f"{path.name}_data")
    size = path.stat().st_size + (data.stat().st_size if data.exists() else 0)
    apart = "; ".join(f"{port} {it.worst:.1e} (values up to {it.largest:.3g})" for port, it in found.items())
    print(f"{name}: {size / 1e6:.1f} MB, {seconds:.1f} s; largest difference from torch: {apart}", flush=True)


def signature(path: Path) -> dict[str, dict[str, str]]:
    """A graph's inputs and outputs: name -> type and shape, axes that may vary by their names."""
    import onnx

    proto = onnx.load(str(path), load_external_data=False)

    def shape_of(port: onnx.ValueInfoProto) -> str:
        kind = onnx.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
        axes = [axis.dim_param or str(axis.dim_value) for axis in port.type.tensor_type.shape.dim]
        return f"{kind}[{','.join(axes)}]"

    sides = {"inputs": proto.graph.input, "outputs": proto.graph.output}
    return {side: {port.name: shape_of(port) for port in ports} for side, ports in sides.items()}
