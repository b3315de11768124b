"""What is known to be defined is passed on; None, after all, is an error at once and not somewhere later."""

import pytest

from core.evaluation.defined import defined


def test_only_none_is_not_defined():
    assert defined(0.0) == 0.0 and defined("") == ""
    with pytest.raises(ValueError, match="is None"):
        defined(None)
