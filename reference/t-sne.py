#!/usr/bin/env python3
"""Reference values of the t-SNE of @crossgate/eval, by scikit-learn's exact method.

Generates points of three clusters from a seed, and writes them with scikit-learn's joint probabilities, its divergence and
gradient at given positions, and the divergences that its own maps end with. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scikit-learn==1.9.1
    venv/bin/python reference/t-sne.py --out packages/eval/test/fixtures/t-sne.json

Licence: MIT, as the project.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities, _kl_divergence
from sklearn.metrics import pairwise_distances


def points_of(random, rows, columns):
    centers = random.normal(0, 1, (3, columns))
    return np.round(centers[np.arange(rows) % 3] + random.normal(0, 0.7, (rows, columns)), 3)


def small(random):
    points = points_of(random, 40, 6)
    distances = pairwise_distances(points, metric="euclidean", squared=True)
    perplexity = 9.0
    joint = _joint_probabilities(distances, perplexity, verbose=0)
    positions = np.round(random.normal(0, 2, (40, 2)), 3)
    divergence, gradient = _kl_divergence(positions.ravel(), joint, 1, 40, 2)
    return {
        "points": points.tolist(),
        "perplexity": perplexity,
        "joint": joint.tolist(),
        "positions": positions.tolist(),
        "divergence": float(divergence),
        "gradient": gradient.tolist(),
    }


def maps(random):
    points = points_of(random, 150, 6)
    divergences = [
        float(TSNE(method="exact", init="random", perplexity=30, random_state=seed).fit(points).kl_divergence_)
        for seed in range(8)
    ]
    return {"points": points.tolist(), "perplexity": 30, "divergences": divergences}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    random = np.random.default_rng(4)
    result = {"scikit-learn": sklearn.__version__, "small": small(random), "maps": maps(random)}
    arguments.out.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
