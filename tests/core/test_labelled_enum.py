import pickle

import pytest

from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.ordering import SortOrder
from core.evaluation.table import ErrorType
from core.export.writers import ExportFormat
from core.labelled_enum import LabelledEnum
from core.runs.models import RunModel
from core.runs.schema import Status


@pytest.mark.parametrize("kind", [SortOrder, LabelErrorKind, ExportFormat, Status, ErrorType, RunModel])
def test_members_are_their_value_and_carry_their_words(kind):
    for member in kind:
        assert isinstance(member, LabelledEnum) and member == member.value == str(member) == f"{member}"
        assert kind(member.value) is member and pickle.loads(pickle.dumps(member)) is member
        assert member.label[0].isupper() and member.description.endswith(".")
    assert len({member.label for member in kind}) == len({member.description for member in kind}) == len(kind)


def test_a_value_that_is_none_of_them_is_refused():
    with pytest.raises(ValueError, match="nowhere"):
        LabelErrorKind("nowhere")
