"""A data set of one part in two: training and validation images, drawn by seed so that every class is in both.

Iterative stratification: Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011. Where it
leaves a class in one part, a random walk: Selman, Kautz and Cohen, "Noise Strategies for Improving Local Search", 1994.
"""

from __future__ import annotations

import numpy as np

VAL_SHARE, SEED = 0.2, 0  # of a single annotation file
STEPS, NOISE = 1000, 0.2  # of the random walk: how many at most, and the share of them that go anywhere


def stratified_validation_mask(
    images: np.ndarray, classes: np.ndarray, count: int, share: float = VAL_SHARE, seed: int = SEED
):
    """Which of `count` images are for validation, (count,) bool.

    images, classes: (N,) int each, the image and the class of each object. Images of the rarest class are dealt out
    first, each to the part that lacks the class most, so that each part has its share of each class; a class with at
    least two images is in both, unless others prevent it, and one with a single image for training. Images without
    objects are dealt out last, so that each part has its share of images.
    """
    holds = np.unique(np.stack([classes, images]), axis=1)  # (2, pairs): an image's class counts once
    of_class = {int(k): holds[1, holds[0] == k].tolist() for k in np.unique(holds[0])}
    of_image: dict[int, list[int]] = {}
    for k, image in holds.T.tolist():
        of_image.setdefault(image, []).append(k)
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    place = np.argsort(order)
    left = {k: len(found) for k, found in of_class.items()}
    wanted = {k: max(len(found) * share, 1.0) if len(found) > 1 else 0.0 for k, found in of_class.items()}
    kept = {k: len(found) - wanted[k] for k, found in of_class.items()}
    room = count * share
    part = np.full(count, -1, dtype=np.int8)
    while any(left.values()):
        rarest = min((k for k in left if left[k]), key=lambda k: (left[k], k))
        for image in sorted((i for i in of_class[rarest] if part[i] < 0), key=lambda i: place[i]):
            # by how much of its own share each part lacks of this class; at a tie by the room for images
            to_val = (wanted[rarest] * (1 - share), room) > (kept[rarest] * share, count * share - room)
            part[image] = to_val
            for k in of_image[image]:
                left[k] -= 1
                (wanted if to_val else kept)[k] -= 1
            room -= bool(to_val)
    rest = [i for i in order.tolist() if part[i] < 0]
    more = min(max(round(count * share) - int((part == 1).sum()), 0), len(rest))
    part[rest[:more]] = 1
    return _shared_out(part, of_class, of_image, rng) == 1


def _shared_out(part: np.ndarray, of_class: dict, of_image: dict, rng: np.random.Generator) -> np.ndarray:
    """The parts after moving as few images as it takes until each class with several is in both, as far as can be."""
    several = [k for k, found in of_class.items() if len(found) > 1]
    counts = {k: np.bincount(part[found], minlength=2).tolist() for k, found in of_class.items()}
    lone = {k for k in several if not all(counts[k])}
    best, fewest = part.copy(), _missed(lone, counts)
    for _ in range(STEPS):
        if not lone:
            break
        k = sorted(lone)[rng.integers(len(lone))]
        moves = of_class[k]
        if rng.random() >= NOISE:
            losses = [_loss(int(part[image]), of_image[image], of_class, counts) for image in moves]
            moves = [image for image, loss in zip(moves, losses, strict=True) if loss == min(losses)]
        image = moves[rng.integers(len(moves))]
        own = int(part[image])
        part[image] = 1 - own
        for other in of_image[image]:
            counts[other][own] -= 1
            counts[other][1 - own] += 1
            if len(of_class[other]) > 1:
                (lone.discard if all(counts[other]) else lone.add)(other)
        if (missed := _missed(lone, counts)) < fewest:
            best, fewest = part.copy(), missed
    return best


def _missed(lone: set[int], counts: dict[int, list[int]]) -> tuple[int, int]:
    """How many classes are in one part that could be in both; and how many are not in training."""
    return len(lone), sum(not n for n, _ in counts.values())


def _loss(own: int, classes: list[int], of_class: dict, counts: dict[int, list[int]]) -> int:
    """By how many classes fewer are where they should be after an image is moved out of its `own` part."""
    loss = 0
    for k in classes:
        if len(of_class[k]) == 1:
            loss += 1 if own == 0 else -1
        else:
            loss += (counts[k][own] == 1) - (counts[k][1 - own] == 0)
    return loss
