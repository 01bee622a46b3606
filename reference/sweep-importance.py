#!/usr/bin/env python3
"""Reference values of the importance of a key in a sweep, by SciPy's Kruskal-Wallis test.

Generates objectives in groups from a seed, with ties, and prints for each case the objectives by group, the statistic H,
and epsilon squared, (H - k + 1) / (n - k) for n values in k groups. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.16.3
    venv/bin/python reference/sweep-importance.py > packages/experiment/test/fixtures/sweep-importance.json

Licence: MIT, as the project.
"""

import json

import numpy as np
from scipy.stats import kruskal

rng = np.random.default_rng(20260731)
cases = []
for sizes, shift in [((4, 4, 4), 0.02), ((3, 7), 0.05), ((2, 5, 3, 6), 0.0), ((10, 10), 0.1), ((5, 5, 5, 5, 5), 0.01)]:
    # Two decimals, so that values tie.
    groups = [np.round(rng.normal(0.7 + shift * at, 0.03, size), 2).tolist() for at, size in enumerate(sizes)]
    statistic = float(kruskal(*groups).statistic)
    count = sum(sizes)
    epsilon = (statistic - len(sizes) + 1) / (count - len(sizes))
    cases.append({"groups": groups, "h": statistic, "share": max(0.0, epsilon)})
print(json.dumps(cases))
