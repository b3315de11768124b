"""Experiments on the pages: Compare shows what their runs say, Train makes them, the queue has them as one."""

from pathlib import Path

import pytest

from core.config import TrainConfig
from core.datasets.split import read_split
from core.evaluation.coco_eval import evaluate
from core.evaluation.table import write_table
from core.evaluation.tide import detection_table
from core.runs.experiments.kinds import KINDS, queue_experiment
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import FoldsSettings, SweepSettings
from core.runs.queue import RunQueue
from core.runs.schema import Status
from tests.core.runs.fake_training import figures, leave_checkpoint
from tests.made_runs import half_right
from tests.pages import compare_page, train_page

PAGE = Path(__file__).parents[2] / "pages"


@pytest.fixture
def sweep(store, drawn):
    base = TrainConfig(data=str(drawn), model="random", epochs=2)
    return queue_experiment(store, KINDS["sweep"], base, SweepSettings(values=["lr=1e-4,5e-4"], seeds=3), "Rates")


def members(store, experiment):
    return Experiments(store).members(experiment.id)


def finish(store, run, ap, status=Status.FINISHED):
    leave_checkpoint(store.checkpoint(run.id, "last"))
    store.add_evaluation(run.id, 2, 20, figures(ap).to_dict(), is_best=True)
    store.update(run.id, status=status, epoch=2, epochs=2, step=20, steps=20)


def finish_all(store, experiment):
    for one in members(store, experiment):
        finish(store, one.run, (0.3 if one.variant.get("lr") == 1e-4 else 0.5) + 0.01 * one.seed)


def texts(app):
    return " ".join(one.value for one in (*app.markdown, *app.caption))


def test_a_link_opens_an_experiment_with_its_sentence_chart_and_runs(store, sweep):
    finish_all(store, sweep)
    app = compare_page.open_page(experiment=sweep.id)
    assert "Best: lr 0.0005, AP 51.0" in texts(app).replace("\\", "") and "More than noise" in texts(app)
    assert "6 of 6 trainings have ended" in texts(app)
    (chart,) = compare_page.charts(app).values()
    assert chart["title"] == "Learning rate against AP" and len(chart["rows"]) == 6
    table = compare_page.frame(app, "Best AP")
    assert table["lr"].tolist() == ["0.0001", "0.0005"] * 3 and table["Best AP"].tolist()[:2] == [30, 50]


def test_it_is_a_tab_beside_two_models_and_in_the_address(store, sweep, run_maker):
    run_maker(), run_maker()
    finish_all(store, sweep)
    app = compare_page.open_page(experiment=sweep.id)
    assert app.session_state["compare view"] == "Experiments"
    assert sweep.id in app.query_params["experiment"] and "experiments" in app.query_params["view"]
    assert "Best: lr 0.0005" in texts(app)
    app.session_state["compare view"] = "Settings and curves"
    app.run()
    assert "experiment" not in app.query_params


def test_an_experiment_that_runs_says_how_far_it_is_and_can_be_stopped_and_resumed(store, sweep):
    first = members(store, sweep)[0].run
    store.update(first.id, status=Status.RUNNING, epoch=1, epochs=2)
    app = compare_page.open_page(experiment=sweep.id)
    assert "0 of 6 trainings have ended · lr 0.0001, seed 0 trains, epoch 2 of 2 · 5 wait" in texts(app)
    assert "No training has gone to its end yet" in texts(app)
    compare_page.checked(app.button(key=f"stop {sweep.id}").click().run())
    runs = [one.run for one in members(store, sweep)]
    assert runs[0].stop_requested and {run.status for run in runs[1:]} == {Status.STOPPED}
    store.update(first.id, status=Status.STOPPED)
    app = compare_page.checked(app.run())
    compare_page.checked(app.button(key=f"resume {sweep.id}").click().run())
    assert len(RunQueue(store).waiting()) == 6


def test_an_unknown_experiment_is_told_and_another_one_shown(store, sweep):
    app = compare_page.open_page(experiment="sweep-*gone*")
    assert (
        "There is no experiment" in app.warning[0].value
        and "Rates" in app.selectbox(key="experiment picker").options[0]
    )


def test_without_an_experiment_the_tab_says_how_one_is_made(store, run_maker):
    run_maker(), run_maker()
    app = compare_page.open_page(view="experiments")
    assert "Several at once" in app.info[0].value


def test_one_of_another_version_is_told(store, sweep):
    with store.database.write() as db:
        db.execute("update experiments set kind = 'tournament'")
    app = compare_page.open_page(experiment=sweep.id)
    assert "another version" in app.error[0].value


def test_with_one_seed_the_images_tell_what_is_noise(store, drawn):
    base = TrainConfig(data=str(drawn), model="random", epochs=2)
    alone = queue_experiment(store, KINDS["sweep"], base, SweepSettings(values=["lr=1e-4,2e-4,3e-4"]))
    split = read_split(drawn, "val")
    labels = split.label_map()
    for one, shift in zip(members(store, alone), (0, 9, 0), strict=True):
        detections = half_right(split, labels, shift)
        path = store.table_path(one.run.id, 2)
        path.parent.mkdir(parents=True)
        write_table(detection_table(split.to_dict(), detections, labels), path)
        metrics = evaluate(split.to_dict(), detections, labels).to_dict()
        store.add_evaluation(one.run.id, 2, 20, metrics, is_best=True, has_table=True)
        store.update(one.run.id, status=Status.FINISHED, epoch=2, epochs=2, step=20, steps=20)
    app = compare_page.open_page(experiment=alone.id)
    assert "More than noise: it is better than lr 0.0002 by" in texts(app)
    assert "No more than noise: lr 0.0003 by 0.0 points" in texts(app)
    assert "Judged by the images alone" in texts(app)


# Train


def several(app, kind="sweep"):
    app.session_state["several"] = True
    app.session_state["several kind"] = kind
    return train_page.checked(app.run())


def test_train_makes_a_sweep_of_the_forms_settings(store):
    app = several(train_page.open_page())
    assert "nothing to vary" in texts(app) and app.button(key="several queue").disabled
    app.text_area(key="several sweep values").set_value("lr=1e-4,2e-4\naugment=none,flip")
    app.number_input(key="several sweep seeds").set_value(2)
    train_page.checked(app.run())
    assert "8 trainings." in texts(app) and app.button(key="several queue").label == "Queue 8 trainings"
    app.selectbox(key="several sweep halving").set_value(2)
    train_page.checked(app.run())
    assert "Halving after epoch" in texts(app)
    app.button(key="several queue").click()
    train_page.checked(app.run())
    (experiment,) = Experiments(store).all()
    assert len(RunQueue(store).waiting()) == 8 == len(members(store, experiment))
    assert experiment.plan["rungs"] and experiment.config["epochs"] == 10


@pytest.mark.parametrize("text, sentence", [("lr=fast", "lr is 'fast'"), ("lr=2,3", "cannot be trained")])
def test_what_makes_no_sense_is_told_before_it_is_queued(store, text, sentence):
    app = several(train_page.open_page())
    app.text_area(key="several sweep values").set_value(text)
    train_page.checked(app.run())
    assert sentence in app.error[0].value.replace("\\", "") and app.button(key="several queue").disabled


def test_train_makes_folds_and_a_learning_curve(store):
    app = several(train_page.open_page(), "folds")
    assert "5 trainings." in texts(app)
    train_page.checked(several(app, "learning-curve"))
    app.text_input(key="several learning-curve shares").set_value("1/3 1")
    train_page.checked(app.run())
    app.button(key="several queue").click()
    train_page.checked(app.run())
    assert [one.variant["images"] for one in members(store, Experiments(store).all()[0])] == [1, 3]


def test_the_queue_has_an_experiment_as_one(store, drawn):
    alone = store.create(TrainConfig(data=str(drawn)).to_dict(), "alone")
    base = TrainConfig(data=str(drawn), model="random", epochs=2)
    folds = queue_experiment(store, KINDS["folds"], base, FoldsSettings(folds=3))
    last = store.create(TrainConfig(data=str(drawn)).to_dict(), "the last")
    app = train_page.open_page()
    assert "Experiment, 3 trainings wait; next: 3 folds: fold 1 of 3" in texts(app)
    assert app.button(key=f"show 1 {folds.id}").label.endswith("3 folds")
    app.button(key=f"up {last.id}").click()
    train_page.checked(app.run())
    assert [run.id for run in RunQueue(store).waiting()][:2] == [alone.id, last.id]
    app.button(key=f"cancel 2 {folds.id}").click()
    train_page.checked(app.run())
    assert [run.id for run in RunQueue(store).waiting()] == [alone.id, last.id]


def test_a_run_leads_to_its_experiment(store, sweep):
    finish_all(store, sweep)
    app = train_page.open_page()
    app.button(key="experiment").click()
    app = train_page.checked(app.run())
    assert "Best: lr 0.0005" in texts(app)
