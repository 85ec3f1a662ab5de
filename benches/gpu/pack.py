"""Packs a folder for a machine with a GPU and without a network: `pack.py FOLDER`. Called by gpu.sh, which says what it does."""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODELS = ("resnet18", "head", "clip", "texts", "yolo-world", "sam2")
EXPORTS = ("requirements-clip.txt", "requirements-sam2.txt", "requirements-yolo-world.txt")
WHEELS = ("numpy", "onnx", "pillow", "pyarrow")
# As pip takes them: each by its own name.
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]


class PackError(Exception):
    """What the user can do something about."""


def main() -> None:
    args = arguments()
    try:
        pack(args)
    except (PackError, subprocess.CalledProcessError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/threshflow")
    parser.add_argument("--size", choices=["full", "small"], default="full")
    parser.add_argument("--sam2", choices=["large", "base+", "tiny"], default="large")
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}")
    parser.add_argument("--cuda", choices=["carry", "leave"], default="carry")
    parser.add_argument("--without", action="append", default=[], metavar="PACKAGE")
    parser.add_argument("--export-python", type=Path)
    parser.add_argument("--pieces", type=int, metavar="MIB")
    return parser.parse_args()


def pack(args: argparse.Namespace) -> None:
    # Others are started in folders of their own. A link to a Python stays one: it says which environment is meant.
    args.folder, args.program = args.folder.absolute(), args.program.absolute()
    args.export_python = args.export_python and args.export_python.absolute()
    if not args.program.is_file():
        raise PackError(f"{args.program} is not there; build it with cargo build --release, or name it with --program")
    args.folder.mkdir(parents=True, exist_ok=True)
    files(args)
    program(args)
    models(args)
    about = {"size": args.size, "python": args.python, "cuda": args.cuda, "without": sorted(args.without)}
    said = args.folder / "pack.json"
    before = json.loads(said.read_text()) if said.is_file() else {}
    if any(before.get(key) != about[key] for key in ("python", "cuda", "without")):
        said.unlink(missing_ok=True)
        wheels(args)
    said.write_text(json.dumps(about, indent=1) + "\n")
    total = tell_sizes(args.folder)
    if args.pieces:
        cut(args.folder, args.pieces, total)


def files(args: argparse.Namespace) -> None:
    """The bench itself, so that the folder needs no repository."""
    shutil.copy2(HERE.parent / "gpu.sh", args.folder / "gpu.sh")
    (args.folder / "gpu").mkdir(exist_ok=True)
    for file in HERE.glob("*.py"):
        shutil.copy2(file, args.folder / "gpu" / file.name)


def program(args: argparse.Namespace) -> None:
    """Without its symbols, compressed."""
    (args.folder / "program").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch) / "threshflow"
        if shutil.which("strip"):
            subprocess.run(["strip", "-o", bare, args.program], check=True)
        else:
            shutil.copy2(args.program, bare)
        (args.folder / "program/threshflow.xz").write_bytes(lzma.compress(bare.read_bytes(), preset=3))


# -- models


def models(args: argparse.Namespace) -> None:
    """Every model that is not there yet, each in a process of its own, one after another."""
    missing = [name for name in MODELS if not is_made(args, name)]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as scratch:
        python = args.export_python or environment(Path(scratch))
        for name in missing:
            folder = args.folder / "models" / name
            shutil.rmtree(folder, ignore_errors=True)
            words = [name, folder, "--size", args.size, "--sam2", args.sam2]
            made = subprocess.run([python, HERE / "architectures.py", *words], cwd=scratch)
            if made.returncode != 0 or not is_made(args, name):
                shutil.rmtree(folder, ignore_errors=True)
                memory = (
                    " (for want of memory?); --sam2 base+ takes less" if made.returncode < 0 and name == "sam2" else ""
                )
                raise PackError(f"{name} was not made: its process ended with {made.returncode}{memory}")


def is_made(args: argparse.Namespace, name: str) -> bool:
    made = args.folder / "models" / name / "made.json"
    if not made.is_file():
        return False
    content = json.loads(made.read_text())
    wanted = {"size": args.size, "sam2": args.sam2 if name == "sam2" and args.size == "full" else None}
    return all(content.get(key) == value for key, value in wanted.items())


def environment(scratch: Path) -> Path:
    """A virtual environment with what the export scripts need: some 6 GB, gone at the end."""
    print("an environment for the export scripts is made; --export-python PYTHON takes one that there is", flush=True)
    subprocess.run([sys.executable, "-m", "venv", scratch / "export"], check=True)
    python = scratch / "export/bin/python"
    words = [word for file in EXPORTS for word in ("-r", str(ROOT / "models/export" / file))]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", *words], check=True)
    return python


# -- wheels


def wheels(args: argparse.Namespace) -> None:
    """Wheels for the other machine's Python, with all that they need but what it has already."""
    folder = args.folder / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    left_out = {plain(name) for name in args.without}
    runtime = "onnxruntime-gpu[cuda,cudnn]" if args.cuda == "carry" else "onnxruntime-gpu"
    wanted = [name for name in (runtime, *WHEELS) if plain(name.partition("[")[0]) not in left_out]
    if not wanted:
        return
    tag = "cp" + args.python.replace(".", "")
    words = [
        "--only-binary=:all:",
        "--python-version",
        args.python,
        "--implementation",
        "cp",
        "--abi",
        tag,
        "--abi",
        "abi3",
    ]
    words += ["--abi", "none"] + [word for platform in PLATFORMS for word in ("--platform", platform)]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder, *words, *wanted]
    subprocess.run(download, check=True)
    for wheel in folder.glob("*.whl"):
        if plain(wheel.name.split("-")[0]) in left_out:
            wheel.unlink()


def plain(name: str) -> str:
    """Of a package, as all its spellings are compared."""
    return name.lower().replace("_", "-").replace(".", "-")


# -- sizes


def tell_sizes(folder: Path) -> int:
    """A line for each part; gives the bytes in all, pieces left aside."""
    total = 0
    for part in sorted(path for path in folder.iterdir() if path.name != "pieces"):
        inside = [part] if part.is_file() else [file for file in part.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in inside)
        total += size
        print(f"{size / 2**20:9.2f} MiB  {part.name}")
        if part.name == "wheels":
            for file in sorted(inside, key=lambda file: -file.stat().st_size)[:4]:
                print(f"{'':15}{file.stat().st_size / 2**20:9.2f} MiB  {file.name}")
    print(f"{total / 2**20:9.2f} MiB  in all")
    return total


def cut(folder: Path, mib: int, total: int) -> None:
    """One tar of it all, in pieces; `cat FOLDER/pieces/* | tar x -C THERE` puts it together."""
    pieces = folder / "pieces"
    shutil.rmtree(pieces, ignore_errors=True)
    pieces.mkdir()
    tar = subprocess.Popen(["tar", "c", "-C", folder, "--exclude", "./pieces", "."], stdout=subprocess.PIPE)
    assert tar.stdout is not None
    number = 0
    while data := tar.stdout.read(mib << 20):
        (pieces / f"{number:03}").write_bytes(data)
        number += 1
    if tar.wait() != 0:
        raise PackError("tar failed")
    print(f"{number} pieces of at most {mib} MiB in {pieces}, of {total / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
