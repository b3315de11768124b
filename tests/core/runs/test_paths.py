"""core/runs/paths.py: every file has its place, and no run's id leads out of the root."""

import pytest

from core import RunError
from core.runs.paths import RunPaths
from tests.core.runs.fake_training import leave_checkpoint

RUN = "20261123-001530-ab12"


@pytest.fixture
def files(tmp_path):
    return RunPaths(tmp_path)


@pytest.mark.parametrize(
    "bad", ["", "..", "../../etc", "/etc", "20260101-000000-0000/..", "last", "20260101-000000-0000\n"]
)
def test_no_id_leads_out_of_the_root(files, bad):
    for path_of in (files.folder, files.log_path, files.checkpoints, lambda i: files.watched_path(i, 1)):
        with pytest.raises(RunError, match="is not a run's id"):
            path_of(bad)


def test_paths_lie_where_the_project_promises(files, tmp_path):
    assert files.folder(RUN) == tmp_path / "runs" / RUN
    assert files.checkpoint(RUN, "best") == tmp_path / "checkpoints" / RUN / "best"
    assert files.data_dir == tmp_path / "data"
    assert files.watched_path(RUN, 3) == tmp_path / "runs" / RUN / "watched/epoch_0003.parquet"
    with pytest.raises(RunError, match="'best' and 'last'"):
        files.checkpoint(RUN, "../../other")


def test_the_checkpoint_before_is_found_when_a_save_died_between_its_renames(files):
    last = files.checkpoints(RUN) / "last"
    old = files.checkpoints(RUN) / "last.old"
    leave_checkpoint(old)
    assert files.checkpoint(RUN, "last") == old
    leave_checkpoint(last)
    assert files.checkpoint(RUN, "last") == last
    (old / "config.json").unlink()  # as a killed deletion leaves it
    assert files.checkpoint(RUN, "last") == last
