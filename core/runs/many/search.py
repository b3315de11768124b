"""The search for runs: words that stand in a run's texts, and settings, as `lr:1e-4`.

In: what a user typed, and runs. Out: which of them are meant. All words must fit, in any order; capitals do not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.config_diff import setting_values, value_text
from core.runs.schema import Run

TEXT_FIELDS = {"name", "tag", "tags", "notes", "id", "status"}  # that may stand before a colon, beside settings


@dataclass(frozen=True)
class Searched:
    """A run as the search sees it: its texts by field, in small letters, and its settings by name."""

    texts: Mapping[str, str]
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, run: Run) -> Searched:
        """Return what is searched of a run; of a damaged one only its name."""
        tags = "\n".join(run.tags)
        texts = {
            "name": run.name, "id": run.id, "notes": run.notes, "tags": tags, "tag": tags, "status": run.label,
        }  # fmt: skip
        settings = {} if run.is_damaged else setting_values(run.config)
        return cls({field: text.casefold() for field, text in texts.items()}, settings)

    def fits(self, text: str) -> bool:
        """Check whether all words of a search fit the run.

        A word with a colon whose first part names a setting or one of TEXT_FIELDS is about that alone: a number fits
        if it is equal, every other value if it begins with the word. Other words stand in the name, tags, notes, id,
        status, data set or model.
        """
        return all(self._fits_word(word) for word in text.casefold().split())

    def _fits_word(self, word: str) -> bool:
        name, colon, wanted = word.partition(":")
        if colon and wanted and name in TEXT_FIELDS:
            return wanted in self.texts[name]
        if colon and wanted and name in self.settings:
            return _is_value(self.settings[name], wanted)
        places = [*self.texts.values(), *(str(self.settings.get(name, "")).casefold() for name in ("data", "model"))]
        return any(word in place for place in places)


def _is_value(value: Any, wanted: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(wanted) == value
        return False
    if isinstance(value, str):
        return wanted in value.casefold()
    return value_text(value).casefold().startswith(wanted)
