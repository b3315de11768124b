"""Models that choose their queries among the places of a picture: one with too few of them is told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core import ConfigError


@contextmanager
def enough_places(queries: int) -> Iterator[None]:
    """Turn what torch raises where a picture has fewer places than a model has queries into a ConfigError."""
    try:
        yield
    except RuntimeError as error:
        if "selected index k out of range" not in str(error):
            raise
        raise ConfigError(
            f"A picture has fewer places than the {queries} boxes that the model's encoder chooses: take larger edges."
        ) from error
