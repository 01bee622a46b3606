#!/usr/bin/env python3
"""Reference values of the metrics of @crossgate/eval, by scikit-learn, SciPy and statsmodels.

Generates scored rows (with ties, users of one class, resampling weights), ranked lists, paired values and p-values from
a seed, and writes them with the values that the libraries give. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 statsmodels==0.15.0
    venv/bin/python reference/eval-metrics.py --out packages/eval/test/fixtures/reference-metrics.json

Licence: MIT, as the project.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy.stats import wilcoxon
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    ndcg_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from statsmodels.stats.multitest import multipletests


def clicks(random):
    rows, users = 500, 40
    user = random.integers(0, users, rows)
    taste = random.normal(0, 1, users)
    logit = taste[user] + random.normal(0, 1.2, rows)
    label = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    label[user == 3] = 1
    label[user == 5] = 0
    # Three digits, so that scores tie.
    probability = np.round(1 / (1 + np.exp(-(0.8 * logit + random.normal(0, 1, rows)))), 3)
    weight = random.integers(0, 4, users)
    each = []
    for one in range(users):
        mine = user == one
        if len(set(label[mine])) == 2:
            each.append((roc_auc_score(label[mine], probability[mine]), mine.sum(), label[mine].sum()))
    aucs, sizes, positives = (np.array(column, dtype=float) for column in zip(*each))
    calibration = {}
    for name, strategy in (("equal-width", "uniform"), ("equal-mass", "quantile")):
        rate, mean = calibration_curve(label, probability, n_bins=10, strategy=strategy)
        # Rows per bin, which calibration_curve keeps to itself, from the same edges.
        if strategy == "uniform":
            edges = np.linspace(0, 1, 11)
        else:
            edges = np.percentile(probability, np.linspace(0, 1, 11) * 100)
        counts = np.bincount(np.searchsorted(edges[1:-1], probability), minlength=10)
        counts = counts[counts > 0]
        assert len(counts) == len(rate)
        calibration[name] = {
            "rows": counts.tolist(),
            "positiveRate": rate.tolist(),
            "meanProbability": mean.tolist(),
            "expectedError": float((counts * np.abs(rate - mean)).sum() / rows),
            "maximumError": float(np.abs(rate - mean).max()),
        }
    return {
        "user": user.tolist(),
        "label": label.tolist(),
        "probability": probability.tolist(),
        "auc": roc_auc_score(label, probability),
        "uauc": float(aucs.mean()),
        "gaucImpressions": float(np.average(aucs, weights=sizes)),
        "gaucPositives": float(np.average(aucs, weights=positives)),
        "bothClasses": len(aucs),
        "logLoss": log_loss(label, probability),
        "calibration": calibration,
        # One resample of users: their rows repeated by weight.
        "userWeight": weight.tolist(),
        "weightedAuc": roc_auc_score(label, probability, sample_weight=weight[user]),
    }


def ranking(random):
    users, items, k = 30, 40, 10
    cases = []
    for _ in range(users):
        relevance = np.zeros(items, dtype=int)
        relevance[random.choice(items, random.integers(1, 16), replace=False)] = 1
        # Distinct scores: scikit-learn averages over ties, a list has an order.
        score = random.permutation(items) + 1.5 * relevance * random.integers(0, 8, items)
        score = score + random.permutation(items) * 1e-3
        order = np.argsort(-score)
        top = np.zeros(items, dtype=int)
        top[order[:k]] = 1
        cases.append(
            {
                # Items are numbered from 1.
                "order": (order + 1).tolist(),
                "relevant": (np.flatnonzero(relevance) + 1).tolist(),
                "ndcg": ndcg_score([relevance], [score], k=k),
                "precision": precision_score(relevance, top),
                "recall": recall_score(relevance, top),
                # Over the whole list, where scikit-learn has it: AP divided by the number of relevant items.
                "averagePrecisionOfAll": average_precision_score(relevance, score),
            }
        )
    return {"k": k, "items": items, "cases": cases}


def paired(random):
    cases = []
    for size, digits in ((25, 1), (60, 2), (200, 15)):
        # Whole numbers over a power of two, so that equal differences are equal as floats.
        unit = 2.0**digits * 8
        a = np.round(random.normal(0.3, 1, size) * unit) / unit
        b = np.round(random.normal(0.1, 1, size) * unit) / unit
        b[:3] = a[:3]
        two = wilcoxon(a, b, method="asymptotic", correction=False, zero_method="wilcox")
        more = wilcoxon(a, b, method="asymptotic", correction=False, zero_method="wilcox", alternative="greater")
        cases.append(
            {
                "a": a.tolist(),
                "b": b.tolist(),
                # `greater` gives the sum of the positive ranks, `two-sided` the smaller of both.
                "wPlus": float(more.statistic),
                "smaller": float(two.statistic),
                "z": float(more.zstatistic),
                "pValue": float(two.pvalue),
            }
        )
    return cases


def holm(random):
    p = np.round(random.random(12) ** 3, 4)
    p[4] = p[7]
    return {"pValues": p.tolist(), "adjusted": multipletests(p, method="holm")[1].tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=20240)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    result = {
        "madeBy": "reference/eval-metrics.py",
        "seed": arguments.seed,
        "versions": {
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "statsmodels": statsmodels.__version__,
        },
        "clicks": clicks(random),
        "ranking": ranking(random),
        "paired": paired(random),
        "holm": holm(random),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
