"""Settings as a file on Train: what is pasted fills the form by the rules of a link; a run shows its command."""

import shlex

from core.cli.main import make_parser
from core.config import TrainConfig
from tests.pages.train_page import open_page, setting


def pasted(app, text: str):
    return app.text_area(key="settings pasted").set_value(text).run()


def test_what_is_pasted_fills_the_form_and_what_is_wrong_changes_nothing(store):
    app = open_page()
    before = setting(app, "batch_size").value
    app = pasted(app, "lr: 1e-4\nbatch_size: 7\nepoch: 3")
    assert "line 3: there is no setting 'epoch'; the nearest is 'epochs'." in app.error[0].value
    assert setting(app, "batch_size").value == before
    app = pasted(app, "preset: Experiment\nlr: 1e-4\nbatch_size: 7\nepochs: 3")
    assert not app.error and app.session_state["preset"] == "Experiment"
    shown = {name: setting(app, name).value for name in ("lr", "batch_size", "epochs", "minutes")}
    assert shown == {"lr": 1e-4, "batch_size": 7, "epochs": 3, "minutes": 0.0}


def test_a_file_has_no_folder_converted(store, tmp_path):
    folder = tmp_path / "yolo"
    (folder / "images/train").mkdir(parents=True)
    (folder / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [car]\n")
    app = pasted(open_page(), f"data: {folder}\nbatch_size: 3")
    assert "the data set must be chosen by hand" in " ".join(one.value for one in app.error)
    assert setting(app, "batch_size").value == 3
    assert not list(store.data_dir.glob("yolo*"))


def test_a_run_shows_the_line_that_trains_so_again(store, run_maker):
    run = run_maker(evaluated=False)
    (line,) = (code.value for code in open_page().code if " train " in code.value)
    options = make_parser().parse_args(shlex.split(line)[3:])
    config = TrainConfig.from_dict(run.config)
    assert (options.data, options.model) == (config.data, config.model)
