"""Where boxes lie on a map on which those that are alike are near each other.

In: states. Out: places in a plane, by t-SNE. Two main directions alone (PCA) do not serve: of ten neighbours on such a
map two are of the box's class, by t-SNE as many as by the states themselves (`python -m bench.alike`).
Source: van der Maaten and Hinton 2008; scikit-learn's t-SNE, which is loaded where a map is made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.evaluation.columns import Ids

MOST = 2000  # boxes on a map: beyond, it takes long and is one blot
ROUNDS = 500  # of t-SNE: with 1,000 as many neighbours are of one class
PERPLEXITY = 30.0
FEW = 8  # boxes with which t-SNE cannot begin


def lay_out(values: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Return the places (N, 2) of states (N, numbers), within -1 and 1."""
    states = values.astype(np.float32)
    if len(states) < FEW or (np.ptp(states, axis=0) < 1e-6).all():
        places = np.zeros((len(states), 2), dtype=np.float32)
        places[:, : states.shape[1]] = states[:, :2]
    else:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        perplexity = min(PERPLEXITY, (len(states) - 1) / 3)
        start = _start(states)
        with threadpool_limits(1):  # beside a training several threads would wait for each other
            places = TSNE(init=start, random_state=0, perplexity=perplexity, max_iter=ROUNDS).fit_transform(states)
    extent = np.abs(places).max(initial=0)
    return np.asarray(places / extent if extent else places, dtype=np.float32)


def _start(states: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return where t-SNE begins, as it wants it: along the two main directions, with a spread of 0.0001."""
    centred = states - states.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    start = centred @ directions[:, :-3:-1] if states.shape[1] > 1 else np.repeat(centred, 2, axis=1)
    return np.asarray(start / start[:, 0].std() * 1e-4, dtype=np.float32)


def spread_out(groups: npt.NDArray[np.integer], most: int = MOST) -> Ids:
    """Return at most `most` rows (ascending) of which each group has as many as any other, as far as it has them.

    groups  (N,) the group of each row
    """
    names, counts = np.unique(groups, return_counts=True)
    if counts.sum() <= most:
        return np.arange(len(groups))
    shares = np.zeros(len(names), dtype=np.int64)
    left = most
    for done, group in enumerate(np.argsort(counts, kind="stable").tolist()):  # the smallest first
        shares[group] = min(counts[group], left // (len(names) - done))
        left -= shares[group]
    chosen = []
    for name, share in zip(names.tolist(), shares.tolist(), strict=True):
        rows = np.flatnonzero(groups == name)
        chosen.append(rows[np.linspace(0, len(rows) - 1, share).round().astype(int)])
    return np.sort(np.concatenate(chosen))
