"""Properties that hold for any example: a few examples in the README's command, and many in the gate."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

Test = Callable[..., None]


def for_any(many: int = 150, **strategies: Any) -> Callable[[Test], Test]:
    """Run a test with examples of these strategies, the same in each run: some, or as ``grid`` so many."""
    counts = pytest.mark.parametrize("examples", [
        pytest.param(many // 5, id="some"), pytest.param(many, id="many", marks=pytest.mark.grid)])

    def decorate(test: Test) -> Test:
        @functools.wraps(test, updated=())  # hypothesis wants no examples on what is not its own
        def wrapper(examples: int, **values: Any) -> None:
            chosen = settings(derandomize=True, deadline=None, database=None, max_examples=examples)
            chosen(given(**strategies)(test))(**values)

        own = [parameter for name, parameter in inspect.signature(test).parameters.items() if name not in strategies]
        examples = inspect.Parameter("examples", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        vars(wrapper)["__signature__"] = inspect.Signature([*own, examples])
        marked: Test = counts(wrapper)
        return marked
    return decorate
