"""Stratified split: training and validation images of a data set without splits, so that every class is in both.

In: which classes each image holds, what is known of its part, and a seed. Out: which images are for validation. Apart
from `split.py` because it knows nothing of files.

Iterative stratification: Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011. Where it
leaves a class in one split only, a random walk repairs it: Selman, Kautz and Cohen, "Noise Strategies for Improving
Local Search", 1994.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

VAL_SHARE, SEED = 0.2, 0  # of a single annotation file
MOST_MOVES, NOISE = 1000, 0.2  # of the random walk; the share of its moves that ignore the loss
Groups = list[list[int]]  # of images, by their rows
TRAIN, VAL = 0, 1  # the splits as indices; an image that has none yet is at -1


def part_masks(
    parts: Sequence[str | None], images: np.ndarray, classes: np.ndarray, same_images: Callable[[], Groups] = list
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which of M images are for training and which for validation, "train" and "val", (M,) each.

    parts: what is known of each image, "train", "val", "test" or None. Only where it is known of every image does it
    count: those for testing are in neither then, and without one for training or for validation the rest is divided.
    images, classes: (N,) int each, the image and the class of each object. same_images: called where something is
    divided, returns the groups of images that show the same picture, which stay together.
    """
    known = np.array([part or "" for part in parts], dtype="U5")
    if "" not in known and {"train", "val"} <= set(known.tolist()):
        return {name: known == name for name in ("train", "val")}
    usable = np.ones(len(known), dtype=bool) if "" in known or (known == "test").all() else known != "test"
    row = np.cumsum(usable) - 1  # of an image among the usable ones
    chosen = usable[images]
    is_val = np.zeros(len(known), dtype=bool)
    is_val[usable] = stratified_validation_mask(row[images[chosen]], classes[chosen], int(usable.sum()))
    groups = [[image for image in group if usable[image]] for group in same_images()]
    is_val = keep_together(is_val, groups, images[chosen], classes[chosen])
    return {"train": usable & ~is_val, "val": is_val}


def stratified_validation_mask(
    images: np.ndarray, classes: np.ndarray, count: int, share: float = VAL_SHARE, seed: int = SEED
) -> npt.NDArray[np.bool_]:
    """Return which of `count` images are for validation, (count,).

    images, classes: (N,) int each, the image and the class of each object. Images of the rarest class are assigned
    first, each to the split that lacks the class most, so that each split has its share of each class. A class with
    at least two images is in both splits, unless other classes prevent it; one with a single image is for training.
    Images without objects are assigned last, so that each split has its share of images.
    """
    images_of, classes_of = _by_class_and_image(images, classes)
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    rank = np.argsort(order)
    left = {k: len(holders) for k, holders in images_of.items()}
    val_lacks = {k: max(n * share, 1.0) if n > 1 else 0.0 for k, n in left.items()}
    train_lacks = {k: n - val_lacks[k] for k, n in left.items()}
    val_room = count * share
    split = np.full(count, -1, dtype=np.int8)
    while any(left.values()):
        rarest = min((k for k in left if left[k]), key=lambda k: (left[k], k))
        for image in sorted((i for i in images_of[rarest] if split[i] < 0), key=lambda i: rank[i]):
            # by how much of its own share each split lacks of this class; at a tie by the room for images
            to_val = (val_lacks[rarest] * (1 - share), val_room) > (
                train_lacks[rarest] * share,
                count * share - val_room,
            )
            split[image] = VAL if to_val else TRAIN
            for k in classes_of[image]:
                left[k] -= 1
                (val_lacks if to_val else train_lacks)[k] -= 1
            val_room -= to_val
    rest = [i for i in order.tolist() if split[i] < 0]
    more = min(max(round(count * share) - int((split == VAL).sum()), 0), len(rest))
    split[rest[:more]] = VAL
    return _repaired(split, images_of, classes_of, rng) == VAL


def keep_together(
    is_val: npt.NDArray[np.bool_], groups: Groups, images: np.ndarray, classes: np.ndarray
) -> npt.NDArray[np.bool_]:
    """Return the mask (count,) with the images of each group on one side, as they show the same picture.

    groups: images (rows of the mask). A group goes where it leaves the fewest classes in one split only or untrained;
    at a tie where its first image is. All other images stay where they are. images, classes: as above.
    """
    split = is_val.astype(np.int8)
    mixed = [group for group in groups if 0 < split[group].sum() < len(group)]
    if not mixed:
        return is_val
    images_of, classes_of = _by_class_and_image(images, classes)
    counts = {k: np.bincount(split[holders], minlength=2).tolist() for k, holders in images_of.items()}
    for group in mixed:
        first = int(split[group[0]])
        options = []
        for side in (first, 1 - first):
            after: dict[int, list[int]] = {}
            for image in group:
                for k in classes_of.get(image, []):
                    after.setdefault(k, list(counts[k]))[split[image]] -= 1
                    after[k][side] += 1
            badness = sum(not all(n) for n in after.values()), sum(not n[TRAIN] for n in after.values())
            options.append((badness, side, after))
        _, side, after = min(options, key=lambda option: option[0])
        counts |= after
        split[group] = side
    return split == VAL


def _by_class_and_image(images: np.ndarray, classes: np.ndarray) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return the images of each class and the classes of each image, each once."""
    pairs = np.unique(np.stack([classes, images]), axis=1)  # (2, P)
    images_of = {int(k): pairs[1, pairs[0] == k].tolist() for k in np.unique(pairs[0])}
    classes_of: dict[int, list[int]] = {}
    for k, image in pairs.T.tolist():
        classes_of.setdefault(image, []).append(k)
    return images_of, classes_of


def _repaired(
    split: np.ndarray, images_of: dict[int, list[int]], classes_of: dict[int, list[int]], rng: np.random.Generator
) -> np.ndarray:
    """Return the splits (count,) after a random walk that moves images until each class is in both, as far as possible.

    Of all splits on the way, the one with the fewest classes in one split only is returned.
    """
    counts = {k: np.bincount(split[holders], minlength=2).tolist() for k, holders in images_of.items()}
    lone = {k for k, holders in images_of.items() if len(holders) > 1 and not all(counts[k])}  # in one split only
    best, fewest = split.copy(), _badness(lone, counts)
    for _ in range(MOST_MOVES):
        if not lone:
            break
        k = sorted(lone)[rng.integers(len(lone))]
        moves = images_of[k]
        if rng.random() >= NOISE:
            losses = [_loss(int(split[image]), classes_of[image], images_of, counts) for image in moves]
            moves = [image for image, loss in zip(moves, losses, strict=True) if loss == min(losses)]
        image = moves[rng.integers(len(moves))]
        old = int(split[image])
        split[image] = 1 - old
        for other in classes_of[image]:
            counts[other][old] -= 1
            counts[other][1 - old] += 1
            if len(images_of[other]) > 1:
                (lone.discard if all(counts[other]) else lone.add)(other)
        if (badness := _badness(lone, counts)) < fewest:
            best, fewest = split.copy(), badness
    return best


def _badness(lone: set[int], counts: dict[int, list[int]]) -> tuple[int, int]:
    """Return how many classes are in one split that could be in both, and how many are not in training."""
    return len(lone), sum(not train for train, _ in counts.values())


def _loss(old: int, classes: list[int], images_of: dict[int, list[int]], counts: dict[int, list[int]]) -> int:
    """Return by how many classes fewer are where they should be after an image of `classes` leaves the split `old`."""
    loss = 0
    for k in classes:
        if len(images_of[k]) == 1:
            loss += 1 if old == TRAIN else -1
        else:
            loss += (counts[k][old] == 1) - (counts[k][1 - old] == 0)
    return loss
