"""Holds the embedded judge against verdicts by eye: calibrate.py WORK_FOLDER [PROGRAM].

Makes the embedded edits of natural photographs (photographs.py) with the demo's models, which were made for drawn scenes: most of these
edits are nonsense, and the judge should say so. verdicts.csv has what two readers said of 168 of them. Each looked at every pair with its
words. Reader 2 saw them in another order, without the scores and without what reader 1 had said of any, but knew reader 1's totals:

    1  nonsense: the words name what is not there, or the picture is broken
    2  bad: the words can be guessed, the picture is not usable
    3  passable    4  good    5  as one would want it

Prints how far the readers agree (Cohen's kappa with quadratic weights), the rank correlation (Spearman) of the judge's scores with each
reader and with their mean, and which share of the nonsense (a mean of at most 2) the pipeline's default dials keep. Exit code 1 where that
is 10 % or more, or where an edit of verdicts.csv was not made.

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
READERS = ["reader_1", "reader_2"]
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


def demo_vocabulary():
    """The nouns that the demo's models know, from the source that defines them, wherever under pipelines/ it is."""
    start = 'pub const VOCABULARY: &str = "\\\n'
    for path in sorted(glob.glob(os.path.join(ROOT, "pipelines", "**", "*.rs"), recursive=True)):
        with open(path, encoding="utf-8") as source:
            _, found, rest = source.read().partition(start)
        if found:
            return rest.split('";')[0]
    sys.exit(f"no Rust file under {os.path.join(ROOT, 'pipelines')} has the line {start.splitlines()[0]!r}: the demo's nouns moved")


def run(program, work):
    """Makes and judges all edits, and publishes them whatever their scores."""
    models = os.path.join(ROOT, "models", "demo")
    shard = os.path.join(work, "shards", "photos.tar")
    os.makedirs(os.path.dirname(shard), exist_ok=True)
    if not os.path.exists(shard):
        subprocess.check_call([sys.executable, os.path.join(HERE, "photographs.py"), shard])
    vocabulary = os.path.join(work, "vocabulary.txt")
    with open(vocabulary, "w") as file:
        file.write(demo_vocabulary())
    dials = json.loads(subprocess.check_output([program, "imgedit", "dials", "--json"]))
    is_open = {">": "low", ">=": "low", "<": "high", "<=": "high"}
    of_edits = dials[[dial["name"] for dial in dials].index("regions") + 1 :]
    opened = [f"{dial['name']}={dial[is_open[dial['comparison']]]}" for dial in of_edits if dial["name"] != "edits"]
    flags = [("--aesthetic", "aesthetic"), ("--detector", "detect"), ("--detector-text", "clip"), ("--segmenter", "segment"), ("--clip", "clip")]
    command = [program, "imgedit", "run", "--backend", "embedded", "--max-error-rate", "1", "--max-removed", "100%", "--pixels-apart", "20"]
    command += [word for flag, model in flags for word in (flag, os.path.join(models, model))]
    command += [f"--set={setting}" for setting in SOURCES + opened]
    command += ["--vocabulary", vocabulary, "--shards", shard]
    command += ["--store", os.path.join(work, "store"), "--out", os.path.join(work, "out")]
    subprocess.check_call(command, stdout=sys.stderr)
    return [dial for dial in of_edits if dial["name"] != "edits"]


def readings(rows):
    """The verdicts of each reader, and the mean of both, by name; all in the order of the rows."""
    first, second = ([int(row[reader]) for row in rows] for reader in READERS)
    return {"reader 1": first, "reader 2": second, "their mean": [(one + other) / 2 for one, other in zip(first, second)]}


def tell_agreement(readings, edits):
    """Prints how far the two readers agree, and of the styles alone: nearly all else is nonsense to both, which is easily agreed on."""
    from sklearn.metrics import cohen_kappa_score

    def kappa(pairs):
        return cohen_kappa_score(*zip(*pairs), labels=[1, 2, 3, 4, 5], weights="quadratic")

    pairs = list(zip(readings["reader 1"], readings["reader 2"]))
    styles = [pair for pair, row in zip(pairs, edits) if row["edit_type"] == "style"]
    of, same = len(pairs), sum(one == other for one, other in pairs)
    nonsense = sum(max(pair) <= NONSENSE for pair in pairs)
    usable = sum(min(pair) > NONSENSE for pair in pairs)
    print(f"the readers: kappa {kappa(pairs):.2f} (quadratic weights), the same verdict on {same} of {of} edits")
    print(f"    of the {len(styles)} styles alone: kappa {kappa(styles):.2f}")
    print(f"    both say nonsense of {nonsense / of:.1%} ({nonsense}), both say not of {usable / of:.1%} ({usable})")


def tell_correlation(readings, edits):
    from scipy.stats import spearmanr

    for name, of in [
        ("follows", lambda row: row["follows"]),
        ("natural", lambda row: row["natural"]),
        ("the lesser of both", lambda row: min(row["follows"], row["natural"])),
        ("follows x natural", lambda row: row["follows"] * row["natural"]),
    ]:
        scores = [of(row) for row in edits]
        found = ", ".join(f"{spearmanr(verdicts, scores).statistic:.2f} with {reader}" for reader, verdicts in readings.items())
        print(f"{name}: rank correlation {found}, of {len(edits)} edits")


def tell_kept(readings, edits, keeps):
    """Prints what the dials keep, by each reader and by the mean. Returns the share of the nonsense that they keep, by the mean."""
    nonsense, shares = {}, {}
    for reader, verdicts in readings.items():
        nonsense[reader] = [row for verdict, row in zip(verdicts, edits) if verdict <= NONSENSE]
        usable = [row for verdict, row in zip(verdicts, edits) if verdict > NONSENSE]
        bad, good, all_bad = sum(map(keeps, nonsense[reader])), sum(map(keeps, usable)), len(nonsense[reader])
        shares[reader] = bad / all_bad
        print(f"by {reader} the default dials keep {bad} of {all_bad} nonsense ({shares[reader]:.1%}) and {good} of {len(usable)} usable")
        print(f"    of the {bad + good} that they keep, {bad} are nonsense")
    by_mean = nonsense["their mean"]
    for edit_type in sorted({row["edit_type"] for row in edits}):
        of_type = [row for row in by_mean if row["edit_type"] == edit_type]
        print(f"  {edit_type}: nonsense kept {sum(map(keeps, of_type))} of {len(of_type)}")
    for row in filter(keeps, by_mean):
        scores = f"follows {row['follows']:.2f}, natural {row['natural']:.2f}"
        print(f"  kept: {row['edit_type']} {row['key']}, {scores}: {' '.join(row['prompts'])}")
    return shares["their mean"]


def main():
    work = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "target", "release", "threshflow")
    os.makedirs(work, exist_ok=True)
    in_venv(work)
    import pyarrow.parquet as parquet

    dials = run(program, work)
    with open(os.path.join(HERE, "verdicts.csv")) as file:
        verdicts = list(csv.DictReader(file))
    rows = [row for path in glob.glob(os.path.join(work, "out", "edits", "*.parquet")) for row in parquet.read_table(path).to_pylist()]
    judged = {(row["edit_type"], row["key"]): row for row in rows}
    lost = [edit for edit in ((row["edit_type"], row["key"]) for row in verdicts) if edit not in judged]
    verdicts = [row for row in verdicts if (row["edit_type"], row["key"]) in judged]
    edits = [judged[row["edit_type"], row["key"]] for row in verdicts]

    # Measures that no flag asks for have no column, and their dials stand open.
    dials = [dial for dial in dials if dial["name"] in edits[0]]
    assert {"follows", "natural", "no_op"} <= {dial["dial"] if "dial" in dial else dial["name"] for dial in dials}, dials

    def keeps(row):
        return all(OPERATORS[dial["comparison"]](float(row[dial["name"]]), float(dial["default"])) for dial in dials)

    by_eye = readings(verdicts)
    tell_agreement(by_eye, edits)
    tell_correlation(by_eye, edits)
    share = tell_kept(by_eye, edits, keeps)
    print(f"of the nonsense by the mean of both {share:.1%} is kept; less than {MOST_KEPT:.0%} is allowed")
    print(f"of all {len(rows)} edits the default dials keep {sum(map(keeps, rows))}")
    if lost:
        print(f"not made, though there are verdicts: {sorted(lost)[:5]} and {len(lost)} in all; the editor or the chooser changed")
    return 1 if lost or share >= MOST_KEPT else 0


if __name__ == "__main__":
    sys.exit(main())
