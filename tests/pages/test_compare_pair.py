"""Compare: which two models are compared, and which cannot be."""

from tests.pages.compare_page import checked, imported, kinds, open_page, shown

# Which two


def test_the_newest_run_is_compared_with_the_one_before(two, store):
    app = open_page()
    assert app.query_params["run"] == two[1].id and app.query_params["before"] == two[0].id
    assert app.query_params["model"] == app.query_params["before_model"] == "best"


def test_a_single_run_is_compared_with_its_untouched_model(finished):
    app = open_page()
    assert app.query_params["before"] == app.query_params["run"] == finished.id
    assert (app.query_params["model"], app.query_params["before_model"]) == ("best", "untouched")


def test_a_run_on_other_images_is_passed_over(two, store, drawn, tmp_path):
    imported(store, drawn, tmp_path, "fewer", keep=10)
    app = open_page(run=two[1].id)
    assert app.query_params["before"] == two[0].id
    newest = imported(store, drawn, tmp_path, "all")
    app = open_page()
    assert (app.query_params["run"], app.query_params["before"]) == (newest.id, two[1].id)


def test_swapping_turns_fixed_into_broken(two, store):
    app = open_page()
    before = kinds(app)
    checked(app.button(key="swap").click().run())
    assert (app.query_params["run"], app.query_params["before"]) == (two[0].id, two[1].id)
    after = kinds(app)
    assert (after["fixed"], after["broken"]) == (before["broken"], before["fixed"])
    assert (after["new"], after["gone"]) == (before["gone"], before["new"])


def test_the_same_model_is_never_on_both_sides(two, store):
    app = open_page()
    checked(app.selectbox(key="compare after").select((two[0].id, "best")).run())
    address = app.query_params
    assert (address["run"], address["before"]) == (two[0].id, two[0].id)
    assert address["model"] != address["before_model"]


def test_models_on_other_images_are_refused_and_the_fitting_ones_offered(two, store, drawn, tmp_path):
    fewer = imported(store, drawn, tmp_path, "*fewer* <b>", keep=10)
    app = open_page(run=two[1].id, model="best", before=fewer.id, before_model="untouched")
    assert app.warning[0].value.startswith("The two models were evaluated on different images")
    assert not app.get("bidi_component")
    offered = [b for b in app.button if (b.key or "").startswith("fits ")]
    assert {b.key.split()[1] for b in offered} == {two[0].id, two[1].id}
    checked(offered[0].click().run())
    assert not app.warning and shown(app)
