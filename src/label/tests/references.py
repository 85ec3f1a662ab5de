"""The numbers that references.rs holds estimates against: python3 references.py, with scipy 1.17.1, statsmodels 0.15.0, samplics 0.6.1 and
blake3 1.0.11. samplics estimates means and ratios of stratified samples, with standard errors by Taylor's series; the interval around
them is written out here from Korn and Graubard (1998)."""

import struct

import blake3
import numpy as np
from samplics.estimation import TaylorEstimator
from samplics.utils.types import PopParam
from scipy.stats import beta, t
from statsmodels.stats.proportion import proportion_confint

for good, labels in ((0, 30), (1, 30), (15, 30), (29, 30), (30, 30), (57, 60), (97, 100)):
    print("Clopper-Pearson", good, labels, *proportion_confint(good, labels, 0.05, "beta"))
print("t", [(degrees, float(t.ppf(0.975, degrees))) for degrees in (1, 2, 5, 29, 92)])

content, dial = blake3.blake3(b"a picture").digest()[:16], b"sharp"
hashed = struct.pack("<Q", 7) + struct.pack("<Q", len(dial)) + dial + content
print("rank", int.from_bytes(blake3.blake3(hashed).digest()[:8], "little"))

# A cell: its name, its rows, its labels, the good ones among them, and whether it passes.
CELLS = [("a", 50000, 400, 30, 0), ("b", 20000, 300, 120, 0), ("c", 20000, 300, 240, 1), ("d", 5000, 250, 245, 1)]


def interval(share, error, labels, cells):
    number = share * (1 - share) / error**2 * (t.ppf(0.975, labels - 1) / t.ppf(0.975, labels - cells)) ** 2
    low = beta.ppf(0.025, number * share, number - number * share + 1)
    return low, beta.ppf(0.975, number * share + 1, number - number * share)


def estimate(what, parameter, cells):
    passing, good, strata, weights = [], [], [], []
    for name, rows, labels, of_them, side in cells:
        for label in range(labels):
            good.append(int(label < of_them))
            passing.append(good[-1] * side)
            strata.append(name)
            weights.append(rows / labels)
    taylor = TaylorEstimator(parameter)
    ratio = {"y": np.array(passing), "x": np.array(good)} if parameter == PopParam.ratio else {"y": np.array(good)}
    fpc = {name: 1 - labels / rows for name, rows, labels, _, _ in cells}
    taylor.estimate(**ratio, samp_weight=np.array(weights), stratum=np.array(strata), psu=np.arange(len(good)), fpc=fpc)
    print(what, taylor.point_est, taylor.stderror, *interval(taylor.point_est, taylor.stderror, len(good), len(cells)))


estimate("precision", PopParam.mean, [cell for cell in CELLS if cell[4]])
estimate("recall", PopParam.ratio, CELLS)
