"""What processes that train together say to each other; `tests/core/runs/test_whole_runs.py` has their trainings."""

from contextlib import suppress

import pytest
import torch

from core.training.distributed import ProcessGroup


def test_a_process_alone_has_nobody_to_wait_for():
    group = ProcessGroup()
    assert (group.world_size, group.rank, group.is_main_process) == (1, 0, True)
    assert group.all_reduce_sum(1.0, 2.5) == [1.0, 2.5] and group.all_gather("value") == ["value"]
    parameter = torch.nn.Parameter(torch.ones(2))
    group.all_reduce_gradients([parameter])
    assert parameter.grad is None
    with group.collective():
        pass
    group.broadcast_stop(), group.close()


@pytest.mark.parametrize("error, sent", [(None, [True, False]), (ValueError, [True])])
def test_the_others_hear_of_a_stop_but_not_while_they_wait_for_a_sum(monkeypatch, error, sent):
    group, heard = ProcessGroup(), []
    monkeypatch.setattr(group, "world_size", 2)
    monkeypatch.setattr(group, "_broadcast", lambda goes_on: heard.append(goes_on) or True)
    with suppress(ValueError), group.collective():
        if error:
            raise error
    group.broadcast_stop()
    group.broadcast_stop()
    assert heard == sent
