"""Which part of a data set a file's or a folder's name means: training, validation or testing.

The only place that reads such a name. A part is a word in it, in any case, with a number behind it or not:
`instances_Train2017.json`, `custom_val.json`, `valid/`, `myTest.txt`.
"""

from __future__ import annotations

import re
from functools import lru_cache

PARTS = {
    "train": "(mini)?train(ing)?(set)?",
    "val": "(mini)?val(id|idate|idation)?(set)?|eval(uation)?",
    "test": "test(ing|s)?(set)?",
}
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\d_a-zA-Z]+")  # of "instances_myTrain2017": instances, my, Train


@lru_cache(4096)
def part_of(name: str) -> str | None:
    """Return the part, "train", "val" or "test", that a name without folders means; None if it is none or several.

    >>> part_of("instances_Train2017.json"), part_of("valid"), part_of("train_val.txt"), part_of("contrail")
    ('train', 'val', None, None)
    """
    words = [word.lower() for word in WORDS.findall(name)]
    parts = {part for part, pattern in PARTS.items() for word in words if re.fullmatch(pattern, word)}
    return parts.pop() if len(parts) == 1 else None


def part_of_folders(path: str) -> str | None:
    """Return the part that the folders of a path with "/" mean, the innermost that means one.

    >>> part_of_folders("val2017/train/a.jpg"), part_of_folders("train.jpg")
    ('train', None)
    """
    folders = path.split("/")[-2::-1]
    return next((part for folder in folders if (part := part_of(folder))), None)
