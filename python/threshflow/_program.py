"""The program `threshflow`, which the same wheel installs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from ._errors import ThreshflowError


def program() -> Path:
    """The program of this environment, or else the one that the PATH has."""
    name = "threshflow" + (sysconfig.get_config_var("EXE") or "")
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    # `pip install --user` has a folder of its own.
    folders.append(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))
    for folder in folders:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    if on_path := shutil.which(name):
        return Path(on_path)
    raise ThreshflowError(
        f"there is no program {name} in {', '.join(folders)} or on the PATH; install the wheel again, or put the program on the PATH"
    )


def run(*arguments: str | Path) -> None:
    """Runs the program. Where it fails, the error is what it said."""
    command = [program(), *arguments]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = " ".join(ended.stderr.split()).removeprefix("error: ")
        raise ThreshflowError(
            f"`{' '.join(map(str, command))}` ended with exit code {ended.returncode}: {said or 'it said nothing'}"
        )
