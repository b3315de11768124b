"""What TensorBoard itself reads of a run: by its own reader and by what its plugins serve."""

import warnings

import numpy as np
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as ServerAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.util.tensor_util import make_ndarray

with warnings.catch_warnings():  # of the libraries of TensorBoard's server
    warnings.simplefilter("ignore")
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams.backend_context import Context
    from tensorboard.plugins.hparams.list_session_groups import Handler
    from tensorboard.plugins.pr_curve.pr_curves_plugin import PrCurvesPlugin

STATUSES = (
    api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING,
)  # fmt: skip


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    """The points of every curve, by tag."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def pictures(folder) -> dict[str, list[tuple[int, int, int, bytes]]]:
    """(step, width, height, file) of every picture, by tag."""
    strings = {
        tag: [(e.step, e.tensor_proto.string_val) for e in tensors] for tag, tensors in _tensors(folder, "images")
    }
    return {tag: [(step, int(w), int(h), file) for step, (w, h, file) in found] for tag, found in strings.items()}


def curves(folder) -> dict[str, list[tuple[int, np.ndarray]]]:
    """(step, (6, thresholds)) of every precision-recall curve, by tag."""
    return {
        tag: [(e.step, make_ndarray(e.tensor_proto)) for e in tensors] for tag, tensors in _tensors(folder, "pr_curves")
    }


def _tensors(folder, plugin: str):
    """(tag, events) of a plugin's tensors, as TensorBoard's server reads them."""
    events = ServerAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    tags = events.PluginTagToContent(plugin) if plugin in events.ActivePlugins() else ()
    return [(tag, events.Tensors(tag)) for tag in tags]


def _context(root) -> TBContext:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(root))
    multiplexer.Reload()
    return TBContext(logdir=str(root), data_provider=MultiplexerDataProvider(multiplexer, str(root)))


def served_curves(root, run: str, tag: str) -> list[dict]:
    """What the plugin of the PR Curves tab serves of one curve."""
    return PrCurvesPlugin(_context(root)).pr_curves_impl(RequestContext(), "", [run], tag)[run]


def sessions(root) -> dict[str, tuple[int, dict, dict]]:
    """(status, hyperparameters, figures) of every session in the HParams tab, by the session's name."""
    context, request = Context(_context(root)), RequestContext()
    metadata = context.hparams_metadata(request, "")
    experiment = context.experiment_from_metadata(request, "", True, metadata, [])
    columns = [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    columns += [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos]
    wanted = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=100, allowed_statuses=STATUSES, col_params=columns, include_metrics=True
    )
    handler = Handler(request_context=request, backend_context=context, experiment_id="", request=wanted)
    sessions = {}
    for group in handler.run().session_groups:
        (session,) = group.sessions
        settings = {name: getattr(v, v.WhichOneof("kind")) for name, v in group.hparams.items()}
        figures = {value.name.tag: value.value for value in session.metric_values}
        sessions[session.name] = session.status, settings, figures
    return sessions
