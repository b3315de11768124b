"""What a generator returns, kept while a `for` loop goes through what it yields.

In: a generator that yields its progress and returns a result. Out: the same progress, and then the result. Apart
because a `for` loop throws the returned value away, and training, command line and tests all need it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

Progress = TypeVar("Progress")
Result = TypeVar("Result")


class KeepResult(Generic[Progress, Result]):
    """Iterate over a generator and keep the value that it returns; `result` is there once the loop has ended.

    >>> def squares():
    ...     yield 1
    ...     yield 4
    ...     return "two squares"
    >>> work = KeepResult(squares())
    >>> list(work), work.result
    ([1, 4], 'two squares')
    """

    result: Result

    def __init__(self, generator: Generator[Progress, None, Result]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Progress]:
        self.result = yield from self._generator
