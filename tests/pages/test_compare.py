import numpy as np
import pytest

from core.evaluation.findings.changes import FIXED_OR_BROKEN, OBJECT_CHANGES, Change, changed_images, changes
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.table import table_metadata
from tests.pages.compare_page import charts, checked, frame, imported, kinds, open_page, shown, tables
from ui.compare import gallery, metrics
from ui.gallery import paging

# Empty states


def test_without_an_evaluated_run_the_page_says_what_to_do(store, run_maker):
    run_maker(evaluated=False)
    app = open_page()
    assert "open Train and click **Train**" in app.info[0].value
    assert not app.get("bidi_component")


def test_with_one_model_there_is_nothing_to_compare(store, drawn, tmp_path):
    imported(store, drawn, tmp_path, "alone")
    app = open_page()
    assert "Only one model has been evaluated" in app.info[0].value
    assert not app.get("bidi_component")


def test_a_missing_table_gives_one_sentence(two, store):
    store.table_path(two[0].id, 2).unlink()
    app = open_page(run=two[1].id, model="best", before=two[0].id, before_model="best")
    assert "There is no detection table" in app.error[0].value


# What changed


def test_the_numbers_are_those_of_the_two_tables(two, store):
    app = open_page()
    found = changes(*tables(store, (two[0], 2), (two[1], 2)))
    moved = sum(found.number(c) for c in FIXED_OR_BROKEN)
    assert kinds(app) == {"any": moved} | {c.value: found.number(c) for c in Change}
    assert min(found.number(c) for c in (Change.BROKEN, Change.NEW)) > 0
    rows = charts(app)["changes-by-class"]["rows"]
    assert sum(n for *_, n in rows) == sum(found.number(c) for c in OBJECT_CHANGES)


def test_in_the_end_every_change_of_ap_is_judged(two, store):
    app = open_page()
    heat = charts(app)["ap-changes"]
    assert "still being judged" not in heat["note"]
    rows = heat["rows"]
    assert all(row[4] is not None for row in rows if row[3] is not None)


def test_what_another_tab_has_judged_meanwhile_is_shown(two, store, monkeypatch):
    drawn_gallery, pair = gallery.show_gallery, tables(store, (two[0], 2), (two[1], 2))

    def show_late(*arguments):
        intervals = judged[-1]
        for name in table_metadata(pair[1]).classes:
            metrics.add_ap_intervals(intervals, name, *pair)
        return drawn_gallery(*arguments)

    judged, asked = [], metrics.ap_intervals
    monkeypatch.setattr(metrics, "ap_intervals", lambda *keys: judged.append(asked(*keys)) or judged[-1])
    monkeypatch.setattr(gallery, "show_gallery", show_late)
    assert "still being judged" not in charts(open_page())["ap-changes"]["note"]


def test_the_gallery_shows_the_images_with_the_most_changes_in_both_models_eyes(two, store):
    app = open_page()
    found = changes(*tables(store, (two[0], 2), (two[1], 2)))
    data = shown(app)
    assert [int(image["id"]) for image in data["images"]] == changed_images(found, FIXED_OR_BROKEN)[: paging.PER_PAGE]
    assert data["layout"] == "beside"
    assert [m["label"] for m in data["models"]] == ["Before · epoch 2", "After · epoch 2"]
    assert [m["why"] for m in data["models"]] == [f"/api/why/{run.id}/best" for run in two]
    assert data["images"][0]["source"] == f"/api/image/{two[1].id}/{data['images'][0]['id']}"


def test_what_a_bar_opens_is_shown_by_the_gallery_and_lit(two, store):
    targets = [t for trace in charts(open_page())["changes-by-class"]["traces"] for t in trace["customdata"] if t]
    target = next(t for t in targets if t["change"] == "broken")
    data = shown(open_page(**target))
    found = changes(*tables(store, (two[0], 2), (two[1], 2)))
    ids = changed_images(found, (Change.BROKEN,), [target["class"]])
    assert [int(image["id"]) for image in data["images"]] == ids[: paging.PER_PAGE] != []
    for model in data["models"]:
        assert sum(model["truths"]["chosen"]) == found.number(Change.BROKEN, [target["class"]])


def test_single_objects_are_cut_out_and_lit(two, store):
    data = shown(open_page(change="broken", **{"as": "objects", "layout": "over"}))
    found = changes(*tables(store, (two[0], 2), (two[1], 2)))
    ids = set(found.after.take(found.rows[Change.BROKEN])["gt_id"].to_pylist())
    assert data["layout"] == "over" and data["total"] == len(ids)
    assert {image["lit"][0] for image in data["images"]} == {"truth"}
    assert {int(image["lit"][1]) for image in data["images"]} <= ids
    assert all(image["crop"] for image in data["images"])


@pytest.mark.parametrize(("change", "own"), [("new", 1), ("gone", 0)])
def test_false_alarms_are_lit_in_the_model_that_makes_them(two, store, change, own):
    before, after = (two, two[::-1])[change == "gone"]
    data = shown(open_page(run=after.id, model="best", before=before.id, before_model="best", change=change))
    lit = [sum(model["predictions"]["chosen"]) for model in data["models"]]
    assert lit[own] > 0 == lit[1 - own]
    objects = shown(open_page(run=after.id, before=before.id, before_model="best", change=change, **{"as": "objects"}))
    assert all(image["lit"] is None and image["crop"] for image in objects["images"])


def test_a_kind_without_any_says_so(two, store):
    app = open_page(score="0.95", change="fixed", size="small")
    assert app.info[0].value.startswith("Nothing is fixed of small at score 0.95")
    assert not shown(app)


def test_a_button_chooses_the_kind_of_change(two, store):
    app = open_page()
    checked(app.button(key="change new").click().run())
    assert app.query_params["change"] == "new"
    assert shown(app)["total"] == len(changed_images(changes(*tables(store, (two[0], 2), (two[1], 2))), (Change.NEW,)))


def test_a_link_opens_exactly_what_it_says(two, store):
    query = {
        "run": two[0].id, "model": "untouched", "before": two[1].id, "before_model": "best", "view": "changes",
        "score": "0.3", "change": "right", "class": "car", "size": "small", "as": "objects", "layout": "over",
    }  # fmt: skip
    app = open_page(**query)
    assert {name: app.query_params[name] for name in query} == query
    assert app.slider(key="score").value == 0.3


def test_each_model_may_count_from_the_score_of_its_own_best_f1(two, store):
    chosen = {"run": two[0].id, "model": "untouched", "before": two[1].id, "before_model": "best"}
    app = open_page(**chosen)
    checked(app.toggle(key="compare best scores").set_value(True).run())
    pair = tables(store, (two[1], 2), (two[0], 0))
    scores = tuple(min(max(threshold_curve(table).best, 0.05), 0.95) for table in pair)
    assert scores[0] != scores[1]
    expected = changes(*pair, scores)
    assert kinds(app)["fixed"] == expected.number(Change.FIXED) and kinds(app)["new"] == expected.number(Change.NEW)
    assert app.slider(key="score").disabled and app.query_params["scores"] == "best"
    data = shown(app)
    assert [data["score"] + model["offset"] for model in data["models"]] == pytest.approx(scores)
    again = open_page(**dict(app.query_params))
    assert kinds(again) == kinds(app) and again.sidebar.caption[0].value.startswith(f"Before from {scores[0]:.2f}")
    checked(again.toggle(key="compare best scores").set_value(False).run())
    assert "scores" not in again.query_params and kinds(again) == kinds(open_page(**chosen))


def test_a_link_that_makes_no_sense_opens_the_first_view(two, store):
    names = ("before_model", "view", "change", "as", "layout")
    wrong = {"run": "../..", "before": "<script>", "score": "nan", "class": "<b>", "page": "-1"}
    app = open_page(**wrong, **dict.fromkeys(names, "x"))
    assert (app.query_params["run"], app.query_params["before"]) == (two[1].id, two[0].id)
    assert "change" not in app.query_params and app.query_params["score"] == "0.5"
    assert shown(app)["page"] == 1


# The other views


def test_the_figures_are_the_tables_with_their_changes(two, store):
    table = frame(open_page(view="figures"), "Metric").set_index("Metric")
    for column, run in (("Before", two[0]), ("After", two[1])):
        figures = coco_figures(*tables(store, (run, 2))).to_dict()
        for name in table.index:
            value = table[column][name]
            assert (np.isnan(value) and figures[name] is None) or value == pytest.approx(100 * figures[name])
    defined = table.dropna()
    assert len(defined) and np.allclose(defined["Change"], defined["After"] - defined["Before"])
    assert set(table["More than noise"]) <= {"", "▲", "▼"}


def test_only_settings_that_differ_are_shown_until_all_are_asked_for(two, store):
    app = open_page(view="training")
    table = frame(app, "Setting")
    assert list(table["Setting"]) == ["Seed", "Learning rate"]
    assert table.iloc[1].tolist()[1:3] == ["1e-05", "0.0002"]
    assert "The same for both: data set" in app.caption[0].value
    checked(app.toggle(key="all settings").set_value(True).run())
    assert len(frame(app, "Setting")) > 20


def test_the_curves_of_both_runs_lie_over_each_other(two, store):
    app = open_page(view="training")
    found = charts(app)
    assert {"runs-AP", "runs-loss", "runs-loss_ce", "runs-loss_bbox", "runs-loss_giou"} <= set(found)
    assert [trace["name"] for trace in found["runs-AP"]["traces"]] == ["Before", "After"]
    assert found["runs-AP"]["traces"][0]["x"] == [0, 1, 2]
    app.session_state["curves by"] = "step"
    assert charts(checked(app.run()))["runs-AP"]["traces"][0]["x"] == [0, 10, 20]


def test_imported_results_are_compared_with_a_training(two, store, drawn, tmp_path):
    other = imported(store, drawn, tmp_path, "*other* <b>")
    app = open_page(run=other.id, model="untouched", before=two[0].id, before_model="best")
    assert any("\\*other\\*" in m.value for m in app.markdown)  # as text, not as Markdown
    assert shown(app)["models"][1]["why"] is None
