"""core/runs/many/views.py, preferences.py and figures.py: what is chosen outlives the session."""

import pytest

from core import RunError
from core.metrics import LR
from core.runs.bin import Bin
from core.runs.damage.report import lost_rows
from core.runs.many.figures import best_figures, recorded_tags
from core.runs.many.preferences import preference, set_preference
from core.runs.many.views import MOST_LETTERS, Views
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.hostile_text import texts

QUERY = {"run": "a-run", "class": ["cat", "dog"], "score": "0.3"}


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    store.close()


def test_a_view_is_kept_renamed_and_deleted(store, tmp_path):
    view = Views(store).save("  my   errors ", "errors", QUERY)
    assert (view.name, view.page) == ("my errors", "errors")
    assert view.query == {"run": ["a-run"], "class": ["cat", "dog"], "score": ["0.3"]}
    again = RunStore(tmp_path)
    assert Views(again).all() == [view]
    Views(again).set_name(view.number, "other")
    assert [one.name for one in Views(store).all()] == ["other"]
    Views(again).set_name(view.number, "other")  # its own name is no other view's
    Views(again).delete(view.number)
    assert Views(store).all() == []
    with pytest.raises(RunError, match="deleted meanwhile"):
        Views(store).set_name(view.number, "x")
    again.close()


def test_two_views_never_share_a_name(store):
    first, second = (Views(store).save(name, "errors", QUERY) for name in ("one", "two"))
    with pytest.raises(RunError, match="saved view one already"):
        Views(store).save("one", "results", {})
    with pytest.raises(RunError, match="already"):
        Views(store).set_name(second.number, "one")
    assert Views(store).all() == [first, second]


@pytest.mark.parametrize("name", ["", " \n ", "\udcff", "x" * (MOST_LETTERS + 1)])
def test_what_cannot_be_a_name_is_refused(store, name):
    with pytest.raises(RunError, match="cannot be called"):
        Views(store).save(name, "errors", QUERY)


def test_a_query_without_end_is_refused(store):
    with pytest.raises(RunError, match="too long"):
        Views(store).save("x", "errors", {"class": ["x" * 1000] * 100})


def test_hostile_names_come_back_as_they_were(store):
    names = [*texts(1), "'; drop table views; --", "\u202ex"]
    for name in names:
        Views(store).save(name, "errors", {"class": name})
    assert [(one.name, one.query["class"]) for one in Views(store).all()] == [(name, [name]) for name in names]


def test_the_runs_that_a_view_shows_and_that_are_gone_are_named(store):
    view = Views(store).save("x", "compare", {"run": "a", "before": "b", "chosen": ["a", "c"], "class": "d"})
    assert view.missing_runs({"a"}) == ["b", "c"]
    assert view.missing_runs({"a", "b", "c"}) == []


@pytest.mark.parametrize("column, value", [("query", "[]"), ("query", '{"a": 1}'), ("query", "{"), ("page", b"\xff")])
def test_a_damaged_view_is_left_out_and_told(store, column, value):
    damaged, whole = (Views(store).save(name, "errors", QUERY) for name in ("one", "two"))
    with store.database.write() as db:
        db.execute(f"update views set {column} = ? where number = ?", (value, damaged.number))
    assert Views(store).all() == [whole]
    assert ["The saved views have 1 damaged row" in line for line in lost_rows(store.database)] == [True]


def test_a_preference_is_kept_and_replaced(store):
    assert preference(store, "columns") is None
    for value in (["a"], ["b", "<b>"]):
        set_preference(store, "columns", value)
        assert preference(store, "columns") == value
    with store.database.write() as db:
        db.execute("update preferences set value = '{'")
    assert preference(store, "columns") is None


def test_the_figures_are_those_of_the_best_model_else_the_last(store):
    best, last, none, gone = (store.create({}) for _ in range(4))
    for epoch, ap in enumerate((0.1, 0.5, 0.3)):
        store.add_evaluation(best.id, epoch, 10 * epoch, {"AP": ap, "APs": None}, is_best=epoch == 1)
        store.add_evaluation(last.id, epoch, 10 * epoch, {"AP": ap}, is_best=False)
        store.add_evaluation(gone.id, epoch, 10 * epoch, {"AP": ap}, is_best=True)
    store.update(gone.id, status=Status.FINISHED)
    Bin(store).delete(gone.id)
    figures = best_figures(store)
    assert {run_id: one["AP"] for run_id, one in figures.items()} == {best.id: 0.5, last.id: 0.3}
    assert none.id not in figures and figures[best.id]["APs"] is None


def test_what_was_recorded_is_named_in_the_order_of_the_metrics(store):
    one, other = store.create({}), store.create({})
    store.record(one.id, 1, {"my own": 1, LR.tag: 1, "train/loss": 1})
    store.record(other.id, 1, {"train/loss_ce": 1})
    assert recorded_tags(store, [one.id, other.id]) == ["train/loss", "train/loss_ce", LR.tag, "my own"]
