"""Holds the embedded judge against verdicts by eye: calibrate.py WORK_FOLDER [PROGRAM].

Makes the embedded edits of natural photographs (photographs.py) with the demo's models, which were made for drawn scenes: most of these
edits are nonsense, and the judge should say so. verdicts.csv has what a reader said of 168 of them who looked at each pair with its words:

    1  nonsense: the words name what is not there, or the picture is broken
    2  bad: the words can be guessed, the picture is not usable
    3  passable    4  good    5  as one would want it

Prints the rank correlation (Spearman) of the judge's scores with the verdicts, and which share of the nonsense (1 and 2) the pipeline's
default dials keep. Exit code 1 where that is 10 % or more, or where an edit of verdicts.csv was not made.

PROGRAM is target/release/threshflow where nobody says. What Python needs is installed into WORK_FOLDER/venv. A run takes some minutes; a
second one asks only what changed.
"""

import csv
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGES = ["scikit-image==0.26.0", "scikit-learn==1.9.1", "pillow", "pyarrow", "scipy"]
NONSENSE = 2
MOST_KEPT = 0.10
# Photographs are smaller than what the pipeline takes by default, and the demo's scorer knows drawn scenes.
SOURCES = ["short_side=0", "aesthetic=0"]
OPERATORS = {">": float.__gt__, ">=": float.__ge__, "<": float.__lt__, "<=": float.__le__}


def in_venv(work):
    """Runs this script again with the packages, where they are not at hand."""
    try:
        import pyarrow, scipy, skimage, sklearn  # noqa: E401, F401
    except ImportError:
        venv = os.path.join(work, "venv")
        python = os.path.join(venv, "bin", "python3")
        if os.path.exists(python) and os.path.realpath(sys.prefix) == os.path.realpath(venv):
            raise
        subprocess.check_call([sys.executable, "-m", "venv", venv])
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", *PACKAGES])
        os.execv(python, [python, *sys.argv])


def run(program, work):
    """Makes and judges all edits, and publishes them whatever their scores."""
    models = os.path.join(ROOT, "models", "demo")
    shard = os.path.join(work, "shards", "photos.tar")
    os.makedirs(os.path.dirname(shard), exist_ok=True)
    if not os.path.exists(shard):
        subprocess.check_call([sys.executable, os.path.join(HERE, "photographs.py"), shard])
    vocabulary = os.path.join(work, "vocabulary.txt")
    with open(os.path.join(ROOT, "pipelines", "demo", "mod.rs")) as source, open(vocabulary, "w") as file:
        file.write(source.read().split('pub const VOCABULARY: &str = "\\\n')[1].split('";')[0])
    dials = json.loads(subprocess.check_output([program, "dials", "--json"]))
    is_open = {">": "low", ">=": "low", "<": "high", "<=": "high"}
    of_edits = dials[[dial["name"] for dial in dials].index("regions") + 1 :]
    opened = [f"{dial['name']}={dial[is_open[dial['comparison']]]}" for dial in of_edits if dial["name"] != "edits"]
    flags = [("--aesthetic", "aesthetic"), ("--detector", "detect"), ("--detector-text", "clip"), ("--segmenter", "segment"), ("--clip", "clip")]
    command = [program, "run", "--backend", "embedded", "--max-error-rate", "1", "--max-removed", "100%", "--pixels-apart", "20"]
    command += [word for flag, model in flags for word in (flag, os.path.join(models, model))]
    command += [f"--set={setting}" for setting in SOURCES + opened]
    command += ["--vocabulary", vocabulary, "--shards", shard]
    command += ["--store", os.path.join(work, "store"), "--out", os.path.join(work, "out")]
    subprocess.check_call(command, stdout=sys.stderr)
    return [dial for dial in of_edits if dial["name"] != "edits"]


def main():
    work = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "target", "release", "threshflow")
    os.makedirs(work, exist_ok=True)
    in_venv(work)
    import pyarrow.parquet as parquet
    from scipy.stats import spearmanr

    dials = run(program, work)
    with open(os.path.join(HERE, "verdicts.csv")) as file:
        verdicts = {(row["edit_type"], row["key"]): int(row["verdict"]) for row in csv.DictReader(file)}
    rows = [row for path in glob.glob(os.path.join(work, "out", "edits", "*.parquet")) for row in parquet.read_table(path).to_pylist()]
    judged = {(row["edit_type"], row["key"]): row for row in rows}
    lost = verdicts.keys() - judged.keys()
    seen = [(verdict, judged[edit]) for edit, verdict in verdicts.items() if edit not in lost]

    def keeps(row):
        return all(OPERATORS[dial["comparison"]](float(row[dial["name"]]), float(dial["default"])) for dial in dials)

    eye = [verdict for verdict, _ in seen]
    for name, of in [
        ("follows", lambda row: row["follows"]),
        ("natural", lambda row: row["natural"]),
        ("the lesser of both", lambda row: min(row["follows"], row["natural"])),
        ("follows x natural", lambda row: row["follows"] * row["natural"]),
    ]:
        found = spearmanr(eye, [of(row) for _, row in seen])
        print(f"{name}: rank correlation {found.statistic:.2f} with the eye, of {len(seen)} edits")
    nonsense = [row for verdict, row in seen if verdict <= NONSENSE]
    usable = [row for verdict, row in seen if verdict > NONSENSE]
    kept = [row for row in nonsense if keeps(row)]
    share = len(kept) / len(nonsense)
    print(f"nonsense that the default dials keep: {len(kept)} of {len(nonsense)} ({share:.1%}); at most {MOST_KEPT:.0%} is allowed")
    print(f"usable edits that they keep: {sum(map(keeps, usable))} of {len(usable)}")
    print(f"of all {len(rows)} edits they keep {sum(map(keeps, rows))}")
    for edit_type in sorted({edit_type for edit_type, _ in verdicts}):
        of_type = [row for row in nonsense if row["edit_type"] == edit_type]
        print(f"  {edit_type}: nonsense kept {sum(map(keeps, of_type))} of {len(of_type)}")
    if lost:
        print(f"not made, though there are verdicts: {sorted(lost)[:5]} and {len(lost)} in all; the editor or the chooser changed")
    return 1 if lost or share >= MOST_KEPT else 0


if __name__ == "__main__":
    sys.exit(main())
