"""Corrected labels on the pages: what Errors, Results and Compare show of them, and where they lead."""

import json

import pytest

from core.datasets.split import read_split
from core.evaluation.table import read_table, write_table
from core.evaluation.threshold import count_errors
from core.runs.corrections.corrected import corrected_table
from core.runs.corrections.journal import CorrectionKind
from core.runs.corrections.mend import Mender
from core.runs.corrections.revision import read_revision, save_revision
from tests.pages import compare_page, errors_page, results_page
from tests.pages.errors_page import checked

MISSED = {"error": "missed"}


@pytest.fixture
def mender(finished, store) -> Mender:
    return Mender(store, read_split(store.data_dir / "street", "val"))


def accept_all(mender: Mender, table, error: str) -> int:
    """Accept every prediction that is such an error at score 0.5; return how many."""
    rows = [row for row in table.to_pylist() if row["error"] == error and row["score"] >= 0.5]
    for row in rows:
        mender.accept(row["image_id"], row)
    return len(rows)


def delete_missed(mender: Mender, table, image_id: int | None = None) -> list[int]:
    """Delete every label that was missed at score 0.5, on one image or on all; return their images."""
    detected_ids = {row["gt_id"] for row in table.to_pylist() if row["kind"] == "detection" and row["score"] >= 0.5}
    images = []
    for annotation in mender.split.annotations:
        if (
            annotation["id"] not in detected_ids
            and not annotation["iscrowd"]
            and image_id in (None, annotation["image_id"])
        ):
            mender.delete(annotation["image_id"], annotation["id"])
            images.append(annotation["image_id"])
    return images


# Errors


def test_while_nothing_is_corrected_there_is_no_choice_and_labels_can_be_corrected(finished):
    app = errors_page.open_page()
    assert not [control for control in app.get("button_group") if control.label == "Labels"]
    [model] = errors_page.shown(app)["models"]
    assert model["labels"] == f"/api/labels/{finished.id}/best" and "car" in model["every"]


def test_errors_counts_and_draws_the_corrected_labels_or_those_evaluated(finished, table, mender):
    delete_missed(mender, table)
    app = errors_page.open_page()
    now = count_errors(corrected_table(table, mender.journal.all()), 0.5)
    assert now["missed"] == 0 and errors_page.button(app, errors_page.ErrorType.MISSED).label == "Missed · 0"
    assert sum(errors_page.shown(app)["models"][0]["truths"]["n"]) < len(mender.split.annotations)
    app = errors_page.open_page(labels="evaluated")
    assert errors_page.button(app, errors_page.ErrorType.MISSED).label != "Missed · 0"
    assert errors_page.shown(app)["models"][0]["labels"] is None and app.query_params["labels"] == "evaluated"


def test_what_is_listed_stays_while_labels_are_corrected_until_it_is_listed_anew(finished, table, mender):
    app = errors_page.open_page(**MISSED)
    before = errors_page.ids(app)
    delete_missed(mender, table, before[0])
    checked(app.run())
    assert errors_page.ids(app) == before
    checked(app.button(key="list anew").click().run())
    assert before[0] not in errors_page.ids(app) and not [b for b in app.button if b.key == "list anew"]


def test_what_is_listed_is_listed_anew_once_the_page_is_opened_again(finished, table, mender):
    app = errors_page.open_page(**MISSED)
    before = errors_page.ids(app)
    delete_missed(mender, table, before[0])
    assert before[0] not in errors_page.ids(errors_page.come_by(app))


def test_likely_label_errors_are_a_view_of_their_own(two):
    app = errors_page.open_page(run=two[1].id, view="labels", score="0.3")
    page = errors_page.shown(app)
    assert page["total"] and all(image["lit"] and image["crop"] for image in page["images"])
    assert "likely label error" in app.caption[0].value
    app = errors_page.open_page(run=two[1].id, view="labels", score="0.95")
    assert "contradicts the labels" in app.info[0].value


# Results


def test_results_says_what_wrong_labels_cost_and_takes_it_back(finished, table, mender):
    count = len(delete_missed(mender, table))
    app = results_page.open_page(view="labels")
    sentence = app.markdown[0].value
    assert sentence.startswith("Wrong labels cost") and f"with {count} corrected labels on" in sentence
    errors = next(frame.value for frame in app.dataframe if "Error" in frame.value).set_index("Error")
    assert errors.loc["Missed", "After"] == 0 < errors.loc["Missed", "Before"]
    journal = next(frame.value for frame in app.dataframe if "What" in frame.value)
    assert list(journal["What"]) == ["Deleted"] * count
    for left in range(count - 1, -1, -1):
        checked(app.button(key="undo correction").click().run())
        assert len([one for one in mender.journal.all() if one.state == "done"]) == left
    assert not [b for b in app.button if b.key == "undo correction"]


def test_metrics_and_baseline_are_those_of_the_corrected_labels(finished, table, mender):
    delete_missed(mender, table)
    corrected = results_page.figures_table(results_page.open_page(view="figures"))
    evaluated = results_page.figures_table(results_page.open_page(view="figures", labels="evaluated"))
    first, second = (frame.set_index("Metric") for frame in (evaluated, corrected))
    assert second.loc["AP", "This model"] > first.loc["AP", "This model"]
    assert second.loc["AP", "Baseline"] != first.loc["AP", "Baseline"]


def test_a_label_error_is_mended_on_its_card(two, store):
    mender = Mender(store, read_split(store.data_dir / "street", "val"))
    app = results_page.open_page(run=two[1].id, view="labels")
    cards = [b for b in app.button if (b.key or "").startswith("mend ")]
    assert cards and len(cards) <= 12
    checked(cards[0].click().run())
    [made] = mender.journal.all()
    assert made.kind is CorrectionKind.ACCEPTED
    assert cards[0].key not in [b.key for b in app.button] and app.markdown[0].value.startswith(("Wrong", "AP", "With"))


def test_labels_as_evaluated_cannot_be_corrected(finished, table, mender):
    delete_missed(mender, table)
    app = results_page.open_page(view="labels", labels="evaluated")
    keys = [b.key or "" for b in app.button]
    assert not [key for key in keys if key.startswith(("mend ", "undo correction", "save revision", "walk"))]


def test_a_revision_is_saved_and_train_offers_it(finished, table, mender, store):
    delete_missed(mender, table)
    app = results_page.open_page(view="labels")
    checked(app.button(key="save revision").click().run())
    assert "data/street-r1" in app.success[0].value or "street-r1" in app.success[0].value
    assert read_revision(store.data_dir / "street-r1").of == "data/street"
    checked(app.text_input(key=f"revision name {finished.id}").set_value("../x").run())
    checked(app.button(key="save revision").click().run())
    assert "cannot be the name of a folder" in app.error[0].value


# Compare


@pytest.fixture
def revised(two, store):
    """The newer run was evaluated on a revision of the older one's data; returns its folder."""
    split = read_split(store.data_dir / "street", "val")
    mender = Mender(store, split)
    annotation = next(a for a in split.annotations if not a["iscrowd"])
    mender.delete(annotation["image_id"], annotation["id"])
    mender.draw(split.images[3]["id"], "car", (1, 1, 30, 30))
    folder, _ = save_revision(store, str(store.data_dir / "street"))
    for epoch in (0, 2):
        path = store.table_path(two[1].id, epoch)
        write_table(corrected_table(read_table(path), mender.journal.all()), path)
    store.update(two[1].id, config=two[1].config | {"data": str(folder)})
    while any(mender.journal.undo(image["id"]) for image in split.images):
        pass
    return folder


@pytest.mark.parametrize("swapped", [False, True])
def test_runs_on_different_revisions_are_compared_on_the_newer_one(two, revised, store, swapped):
    before, after = two[::-1] if swapped else two
    app = compare_page.open_page(run=after.id, model="best", before=before.id, before_model="best")
    note = app.info[0].value
    assert "different labels on 2 of the same images" in note and "street-r1 is a revision of" in note
    assert "Both are shown with those of newer" in note and compare_page.kinds(app)["fixed"] >= 0
    truths = compare_page.shown(app)
    assert truths["total"]
    metrics = compare_page.open_page(run=after.id, model="best", before=before.id, before_model="best", view="figures")
    assert "Metric" in json.dumps([list(frame.value.columns) for frame in metrics.dataframe])


def test_unsaved_corrections_are_in_both(two, store):
    app = compare_page.open_page()
    split = read_split(store.data_dir / "street", "val")
    mender, kinds = Mender(store, split), compare_page.kinds(app)
    for image in split.images:
        for annotation in split.annotations_by_image[image["id"]]:
            mender.delete(image["id"], annotation["id"])
    mender.draw(split.images[0]["id"], "car", (1, 1, 30, 30))
    assert (
        sum(compare_page.kinds(compare_page.open_page())[kind] for kind in ("fixed", "broken", "right", "wrong")) == 1
    )
    assert compare_page.kinds(compare_page.open_page(labels="evaluated")) == kinds
