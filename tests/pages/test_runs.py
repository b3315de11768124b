"""The page Runs and the saved views: every run is listed, found again and led on from."""

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.bin import Bin
from core.runs.many.preferences import preference
from core.runs.many.tags import change_tags
from core.runs.many.views import Views
from core.runs.queue import RunQueue
from core.runs.schema import Status
from tests.pages.compare_page import SHELL, charts, checked, components, imported
from ui.runs.filters import COLUMNS


@pytest.fixture
def four(store, two, run_maker, drawn, tmp_path):
    """Two evaluated runs, imported results and one that failed at its start, by name; the newest is made last."""
    other = imported(store, drawn, tmp_path, "*other* <b>")
    failed = store.create(two[0].config | {"lr": 1e-5}, "failed early")
    store.update(failed.id, status=Status.FAILED, message="It broke.")
    store.set_words(two[0].id, name="older")
    return {"older": two[0].id, "newer": two[1].id, "other": other.id, "failed": failed.id}


def open_runs(**query):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page("../pages/runs.py")
    app.query_params.update(query)
    return checked(app.run())


def query(app) -> dict[str, list[str]]:
    return {name: [value] if isinstance(value, str) else list(value) for name, value in app.query_params.items()}


def table_of(app):
    return next(one.value for one in app.dataframe if "Run" in one.value)


def names(app) -> list[str]:
    return table_of(app)["Run"].tolist() if app.dataframe else []


def curves(app) -> dict:
    return next((data for data in components(app) if "smoothing" in data), {})


def test_without_a_run_the_page_says_what_to_do(store):
    assert "There is no run yet" in open_runs().info[0].value


def test_every_run_is_in_the_table_with_what_the_trainings_differ_in(store, four):
    app = open_runs()
    table = table_of(app)
    assert table["Run"].tolist() == ["failed early", "*other* <b>", "newer", "older"]
    assert table["Status"].tolist() == ["Failed", "Imported", "Finished", "Finished"]
    assert table["Learning rate"].tolist()[2:] == [2e-4, 1e-5] and table["AP"].isna().tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert table["Δ AP"].isna().tolist() == [True, True, False, False]
    assert app.button(key="compare two").disabled and not curves(app)
    assert [axis["label"] for axis in charts(app)["settings-against-ap"]["traces"][0]["dimensions"]][-1] == "AP"


def test_one_run_that_is_not_evaluated_is_enough(run_maker):
    run_maker(evaluated=False, status=Status.INTERRUPTED)
    app = open_runs()
    assert len(names(app)) == 1 and not app.error


def test_search_tags_and_status_are_in_the_address_and_leave_what_fits(store, four):
    change_tags(store, [four["older"], four["failed"]], ["paper", "<b>x</b>"])
    assert names(open_runs(search="lr:2e-4")) == ["newer"]
    app = open_runs(tag=["paper"])
    assert names(app) == ["failed early", "older"] and list(table_of(app)["Tags"][0]) == ["paper", "<b>x</b>"]
    app.text_input(key="runs search").set_value("older")
    assert names(checked(app.run())) == ["older"]
    assert query(app)["search"] == ["older"] and query(app)["tag"] == ["paper"]
    app = open_runs(status="Imported", search="")
    assert names(app) == ["*other* <b>"]
    assert "No run fits" in open_runs(search="nothing like it").info[0].value


def test_the_choice_of_columns_outlives_the_session(store, four):
    app = open_runs()
    app.multiselect(key=COLUMNS).set_value(["AP", "id"])
    checked(app.run())
    assert list(table_of(app).columns) == ["Run", "AP", "Id"] and query(app)["column"] == ["AP", "id"]
    assert preference(store, COLUMNS) == ["AP", "id"]
    assert list(table_of(open_runs()).columns) == ["Run", "AP", "Id"]
    assert list(table_of(open_runs(column=["status", "<b>"])).columns) == ["Run", "Status"]


def test_two_evaluated_runs_lead_to_compare(store, four):
    assert open_runs(chosen=[four["older"], four["failed"]]).button(key="compare two").disabled
    app = open_runs(chosen=[four["newer"], four["older"]])
    app.button(key="compare two").click()
    checked(app.run())
    assert "changes-by-class" in charts(app)
    assert (query(app)["run"], query(app)["before"]) == ([four["newer"]], [four["older"]])


def test_an_old_link_to_the_tab_of_compare_leads_here(four):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page("../pages/compare.py")
    app.query_params["view"] = "runs"
    assert len(names(checked(app.run()))) == 4


def test_several_runs_are_tagged_and_deleted_at_once_and_brought_back(store, four):
    ids = [four["older"], four["failed"]]
    app = open_runs(chosen=ids)
    app.multiselect(key="runs add tags").set_value(["new <b>"])
    app.button(key="runs apply tags").click()
    checked(app.run())
    assert [store.get(run_id).tags for run_id in ids] == [["new <b>"]] * 2
    app.button(key="runs delete").click()
    checked(app.run())
    assert names(app) == ["*other* <b>", "newer"] and len(Bin(store).runs()) == 2
    assert any("**2 runs** are deleted" in one.value for one in app.markdown)
    app.button(key="undo delete").click()
    assert len(names(checked(app.run()))) == 4


def test_one_run_has_its_name_tags_and_links(store, four):
    app = open_runs(chosen=four["newer"])
    app.multiselect(key=f"all runs tags of {four['newer']}").set_value(["a", "b"])
    checked(app.run())
    assert store.get(four["newer"]).tags == ["a", "b"]
    app.multiselect(key=f"all runs tags of {four['newer']}").set_value(["b"])
    checked(app.run())
    assert store.get(four["newer"]).tags == ["b"]
    app.multiselect(key=f"all runs tags of {four['newer']}").set_value(["b", "x" * 41])
    assert "give at most 40" in checked(app.run()).error[0].value
    app.button(key="runs results").click()
    assert query(checked(app.run()))["run"] == [four["newer"]]


def test_what_ended_early_is_resumed(store, four, run_maker):
    stopped = run_maker(status=Status.STOPPED)
    app = open_runs(chosen=[stopped.id, four["older"]])
    app.button(key="runs resume").click()
    checked(app.run())
    assert [run.id for run in RunQueue(store).waiting()] == [stopped.id]


def test_the_curves_of_the_chosen_are_those_of_the_address(store, four):
    store.set_words(four["newer"], name="older")
    app = open_runs(chosen=[four["newer"], four["older"]], metric="val/AP", by="minutes", smooth="60", log="1")
    data = curves(app)
    assert [run["name"] for run in data["runs"]] == [f"older · {four[name][-4:]}" for name in ("newer", "older")]
    assert (data["tag"], data["by"], data["smoothing"], data["log"]) == ("val/AP", "minutes", 0.6, True)
    assert (data["unit"], data["scale"]) == ("%", 100)
    app.selectbox(key="runs metric").set_value("train/loss_ce")
    checked(app.run())
    assert curves(app)["tag"] == "train/loss_ce" and query(app)["metric"] == ["train/loss_ce"]
    odd = open_runs(chosen=[four["newer"], "gone"], metric="none", by="x", smooth="²", log="x")
    assert (curves(odd)["by"], curves(odd)["smoothing"], len(curves(odd)["runs"])) == ("step", 0, 1)
    assert "1 of the chosen runs are not there" in odd.warning[0].value
    assert "imported results have no training" in " ".join(one.value for one in open_runs(chosen=four["other"]).caption)


# Saved views


def test_a_view_is_saved_opened_renamed_and_deleted(store, four):
    app = open_runs(search="older", chosen=[four["older"]])
    app.text_input(key="view name").set_value("mine **b** <b>")
    app.button(key="save view").click()
    checked(app.run())
    (view,) = Views(store).all()
    assert (view.name, view.page, view.query["search"]) == ("mine **b** <b>", "runs", ["older"])
    assert any("mine \\*\\*b\\*\\*" in one.value for one in app.markdown)
    app.text_input(key="runs search").set_value("")
    assert len(names(checked(app.run()))) == 4
    app.button(key=f"open view {view.number}").click()  # on the page itself
    assert names(checked(app.run())) == ["older"]
    app.switch_page("../pages/results.py")
    checked(app.run())
    app.button(key=f"open view {view.number}").click()  # from another page
    assert names(checked(app.run())) == ["older"]
    app.text_input(key=f"name of view {view.number}").set_value("other")
    checked(app.run())
    assert [one.name for one in Views(store).all()] == ["other"]
    app.button(key=f"delete view {view.number}").click()
    checked(app.run())
    assert Views(store).all() == []


def test_a_view_with_a_deleted_run_says_so_and_opens_with_what_is_left(store, four):
    view = Views(store).save("two", "runs", {"chosen": [four["older"], four["newer"]]})
    Bin(store).delete(four["older"])
    app = open_runs()
    assert any("Deleted meanwhile" in one.value for one in app.caption)
    app.button(key=f"open view {view.number}").click()
    checked(app.run())
    assert f"shows a run that is deleted meanwhile: {four['older']}" in app.warning[0].value
    assert len(curves(app)["runs"]) == 1


def test_what_cannot_be_saved_or_opened_is_told_in_a_sentence(store, four):
    Views(store).save("taken", "predictions of another version", {})
    app = open_runs()
    assert app.button(key="open view 1").disabled
    app.text_input(key="view name").set_value("taken")
    app.button(key="save view").click()
    assert "already" in checked(app.run()).error[0].value
    app.text_input(key="view name").set_value(" ")
    app.button(key="save view").click()
    assert "cannot be called" in checked(app.run()).error[0].value


@pytest.mark.parametrize("page", ["results", "errors", "compare"])
def test_views_are_saved_on_every_page_whose_address_says_something(store, two, page):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page(f"../pages/{page}.py")
    checked(app.run())
    app.text_input(key="view name").set_value("mine")
    app.button(key="save view").click()
    checked(app.run())
    (view,) = Views(store).all()
    assert view.page == page and view.query["run"] == [two[1].id]
