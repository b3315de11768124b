"""The learning curve: the same training on shares of the training images, and what twice the images would likely give.

Every training has as many steps as the one on all images, so that fewer images are gone through more often. With as
many epochs, half of the images would have half of the steps: a part of what then looks like a lack of images would be a
lack of training, and what twice the images give would be promised too high. So all take the same minutes, too.
Evaluations are as far apart in steps, so each training's best model is chosen from as many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

from core import ConfigError, DataError
from core.charts.experiments.images import learning_curve_chart
from core.config import TrainConfig
from core.datasets.layouts import SPLITS
from core.datasets.resplit.draw import draw_shares
from core.datasets.resplit.write import pool_of, write_dataset
from core.evaluation.experiments.learning_curve import LearningCurve, fit_learning_curve
from core.runs.experiments.folds import objects_of
from core.runs.experiments.kind import (
    Kind,
    Planned,
    Reader,
    Summary,
    Tables,
    check_number,
    is_done,
    points,
    total_steps,
)
from core.runs.experiments.record import Experiment, Member
from core.runs.experiments.settings import SharesSettings
from core.wording import short

MOST_EPOCHS = next(field.metadata["max"] for field in fields(TrainConfig) if field.name == "epochs")
NOTHING = 0.005  # of AP: a gain below that is none that anybody would notice


class LearningCurveKind(Kind):
    """The same run on shares of the training images."""

    key, label = "learning-curve", "Learning curve"
    description = (
        "The same training, with as many steps, on shares of the training images: what more images would likely give."
    )
    settings = SharesSettings

    def plan(self, base: TrainConfig, settings: SharesSettings, read: Reader) -> list[Planned]:
        """Return a run for each share and seed, the smallest share first."""
        shares = read_shares(settings.shares)
        check_number(len(shares) * settings.seeds)
        count = len(read(base.data, "train").images)
        planned = []
        for seed in range(base.seed, base.seed + settings.seeds):
            numbers = self._numbers(base, shares, seed, read)
            for share, number in numbers.items():
                config = replace(with_as_many_steps(base, count, number, share), seed=seed)
                words = f"{number:,} images" + (f", seed {seed}" if settings.seeds > 1 else "")
                dataset = "" if share == 1 else _folder_name(share, seed)
                planned.append(Planned(config, {"images": number, "seed": seed}, words, dataset))
        if len({one.variant["images"] for one in planned}) < 2:
            raise DataError(f"{count} training images are too few for these shares: all have as many images.")
        return planned

    def write_data(self, base: TrainConfig, settings: SharesSettings, folder: Path, read: Reader) -> None:
        """Write a data set for each share and seed; the validation images are the same in all."""
        pool = pool_of({part: read(base.data, part) for part in SPLITS})
        val = pool.ids(range(pool.rows["val"], len(pool.images)))
        for seed in range(base.seed, base.seed + settings.seeds):
            for share, images in self._drawn(base, read_shares(settings.shares), seed, read).items():
                if share < 1:
                    about = {"of": base.data, "share": str(share), "seed": seed}
                    parts = {"train": pool.ids(images), "val": val}
                    write_dataset(pool, parts, folder / _folder_name(share, seed), about)

    def _numbers(self, base: TrainConfig, shares: Sequence[Fraction], seed: int, read: Reader) -> dict[Fraction, int]:
        return {share: len(images) for share, images in self._drawn(base, shares, seed, read).items()}

    def _drawn(
        self, base: TrainConfig, shares: Sequence[Fraction], seed: int, read: Reader
    ) -> dict[Fraction, list[int]]:
        """Return the places of the training images of each share, the smallest first."""
        pool = pool_of({"train": read(base.data, "train")})
        drawn = draw_shares(objects_of(pool, base.classes), len(pool.images), [float(one) for one in shares], seed)
        if empty := next((share for share in shares if not drawn[float(share)]), None):
            raise DataError(f"{empty} of {len(pool.images)} training images is none: take a larger share.")
        return {share: drawn[float(share)] for share in shares}

    def name(self, settings: SharesSettings) -> str:
        """Return a name with the shares."""
        return f"Learning curve of {', '.join(settings.shares)}"

    def summarize(self, experiment: Experiment, members: Sequence[Member], tables: Tables) -> Summary:
        """Return the curve, and what twice the images would likely give."""
        done = [member for member in members if is_done(member)]
        if not done:
            return Summary(["No training has gone to its end yet."])
        numbers = [int(member.variant.get("images", 1)) for member in done]
        aps = [member.run.best_ap or 0.0 for member in done]
        is_whole = not any(member.run.is_live for member in members)
        curve = fit_learning_curve(numbers, aps) if is_whole else None
        chart = learning_curve_chart(numbers, [m.seed for m in done], aps, curve, total_steps(members))
        most = max(numbers)
        values = {
            "AP": [
                {"images": number, "seed": member.seed, "AP": 100 * ap}
                for number, member, ap in zip(numbers, done, aps, strict=True)
            ]
        }
        if curve is None:
            return Summary(["What more images would give is said once all trainings have ended."], [chart], values)
        doubled = {
            "images": 2 * most,
            "AP": 100 * curve.doubled[0],
            "interval": [100 * one for one in curve.doubled[1:]],
        }
        return Summary(_sentences(curve, most), [chart], values | {"twice": doubled})


def read_shares(texts: Sequence[str]) -> list[Fraction]:
    """Return shares as somebody types them, rising, each once; raise ConfigError for what is none.

    >>> read_shares(["1", "1/8", "0.5"])
    [Fraction(1, 8), Fraction(1, 2), Fraction(1, 1)]
    """
    shares = set()
    for text in texts:
        try:
            share = Fraction(text) if len(text) <= 20 else Fraction(0)
        except (ValueError, ZeroDivisionError):
            share = Fraction(0)
        if not 0 < share <= 1:
            raise ConfigError(f"{short(repr(text))} is no share of the images: give one as 1/8 or 0.25, at most 1.")
        shares.add(share)
    if len(shares) < 2:
        raise ConfigError("A learning curve needs two different shares or more, as 1/4 1/2 1.")
    return sorted(shares)


def with_as_many_steps(base: TrainConfig, images: int, number: int, share: Fraction) -> TrainConfig:
    """Return settings that train on `number` images for as many steps as `base` does on `images`.

    Raises ConfigError if that takes more epochs than a training may have.
    """
    if base.to_dict().get("minutes"):  # a length in minutes, where settings have one: all take as long already
        return base
    a_step = base.likely_batch_size * base.accumulate * base.processes
    steps, of_part = (math.ceil(one / a_step) for one in (images, number))
    epochs = max(round(base.epochs * steps / of_part), 1)
    if epochs > MOST_EPOCHS:
        raise ConfigError(
            f"{share} of the images needs {epochs:,} epochs for as many steps, at most {MOST_EPOCHS:,}: take fewer "
            "epochs, or larger shares."
        )
    eval_every = min(max(round(base.eval_every * epochs / base.epochs), 1), MOST_EPOCHS)
    return replace(base, epochs=epochs, eval_every=eval_every)


def _folder_name(share: Fraction, seed: int) -> str:
    return f"{share.numerator}-of-{share.denominator}-seed-{seed}"


def _sentences(curve: LearningCurve, most: int) -> list[str]:
    value, low, high = curve.gain
    ap, least, highest = curve.doubled
    if value < NOTHING and low <= 0:
        first = (
            f"More images of the kind would likely change little: with {2 * most:,}, twice as many, AP is likely "
            f"{points(least)} to {points(highest)}."
        )
    else:
        first = (
            f"Twice the images ({2 * most:,}) would likely give AP {points(ap)} ({points(least)} to {points(highest)} "
            f"in 80 % of draws), {100 * value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), in as many steps."
        )
    how = "a power law with a limit" if curve.is_power else "a logarithm, as there are few numbers of images"
    return [first, f"That is not measured: it is the continuation of {how}, for new images that are like these."]
