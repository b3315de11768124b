"""core/runs/many/tags.py and search.py: runs are found again by what a user wrote on them, whatever that is."""

import pytest

from core import RunError
from core.config import TrainConfig
from core.runs.many.search import Searched
from core.runs.many.tags import MOST_LETTERS, MOST_TAGS, all_tags, change_tags
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.hostile_text import texts

CONFIG = TrainConfig(data="data/street", model="facebook/detr-resnet-50", lr=1e-4, epochs=30)


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    store.close()


def test_tags_come_and_go_for_several_runs_at_once(store):
    one, other = (store.create(CONFIG.to_dict()) for _ in range(2))
    assert store.get(one.id).tags == []
    change_tags(store, [one.id, other.id], ["paper", "  larger   pictures "])
    change_tags(store, [other.id], ["Alpha", "paper"], ["larger pictures", "never there"])
    assert store.get(one.id).tags == ["paper", "larger pictures"]
    assert store.get(other.id).tags == ["paper", "Alpha"]
    assert all_tags(store.runs()) == ["Alpha", "larger pictures", "paper"]


def test_all_runs_are_tagged_or_none(store):
    run = store.create(CONFIG.to_dict())
    with pytest.raises(RunError, match="There is no run 'gone' any more"):
        change_tags(store, [run.id, "gone"], ["paper"])
    assert store.get(run.id).tags == []


@pytest.mark.parametrize("tag, said", [(" ", "empty"), ("\udcff", "UTF-8"), ("x" * (MOST_LETTERS + 1), "at most 40")])
def test_what_cannot_be_a_tag_is_refused_in_a_sentence(store, tag, said):
    run = store.create(CONFIG.to_dict())
    with pytest.raises(RunError, match=said):
        change_tags(store, [run.id], [tag])


def test_a_run_has_only_so_many_tags(store):
    run = store.create(CONFIG.to_dict())
    with pytest.raises(RunError, match="take some away"):
        change_tags(store, [run.id], map(str, range(MOST_TAGS + 1)))


def test_a_damaged_cell_of_tags_makes_a_damaged_run_and_nothing_else(store):
    run, whole = store.create(CONFIG.to_dict()), store.create(CONFIG.to_dict())
    with store.database.write() as db:
        db.execute("update runs set tags = '[1]' where id = ?", (run.id,))
    damaged = next(one for one in store.runs() if one.id == run.id)
    assert damaged.status is Status.DAMAGED and "tags holds" in damaged.message and damaged.tags == []
    with pytest.raises(RunError, match="is damaged"):
        change_tags(store, [whole.id, run.id], ["x"])
    assert store.get(whole.id).tags == []


def test_hostile_tags_come_back_as_they_were(store):
    run = store.create(CONFIG.to_dict())
    tags = [*(text[:MOST_LETTERS] for text in texts(1)), "=1+1", "'; drop table runs; --", "\u202e", "a\x1b[31m"]
    change_tags(store, [run.id], tags)
    assert store.get(run.id).tags == tags


@pytest.mark.parametrize(
    "text, fits",
    [
        ("", True), ("SECOND", True), ("second paper", True), ("second other", False), ("resnet-50", True),
        ("street", True), ("tried", True), ("lr:1e-4", True), ("lr:0.0001", True), ("lr:1e-5", False),
        ("lr:x", False), ("epochs:30 tag:paper", True), ("tag:tried", False), ("data:street", True),
        ("status:queued", True), ("nothing:there", False), ("https://a", True), ("lr:", False),
    ],
)  # fmt: skip
def test_the_search_finds_words_and_settings(store, text, fits):
    run = store.create(CONFIG.to_dict(), "The second try")
    store.set_words(run.id, notes="what was tried: https://a.example")
    change_tags(store, [run.id], ["paper"])
    assert Searched.of(store.get(run.id)).fits(text) is fits
