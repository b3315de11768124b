"""Values of TensorBoard's plugins: a picture, a precision-recall curve, the beginning and the end of a session.

In: bytes, counts, settings. Out: each as the `Summary.Value` that its plugin reads, made as TensorBoard's own
`plugins/*/summary.py` make them, which need TensorFlow. Everything of TensorBoard is imported inside: the page process
imports this file's package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

START_TAG, END_TAG = "_hparams_/session_start_info", "_hparams_/session_end_info"  # TensorBoard's own


def picture_value(tag: str, size: tuple[int, int], encoded: bytes, description: str = "") -> Summary.Value:
    """Return a picture (JPEG or PNG, `encoded`) of a size (width, height) for the Images tab."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.image.metadata import create_summary_metadata

    strings = [str(size[0]).encode(), str(size[1]).encode(), encoded]
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(strings))])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=strings)
    return Summary.Value(tag=tag, tensor=tensor, metadata=create_summary_metadata("", description))


def pr_value(
    tag: str, n: int, true_positives: np.ndarray, predictions: np.ndarray, description: str = ""
) -> Summary.Value:
    """Return a precision-recall curve for the PR Curves tab.

    n               objects
    true_positives  (T,) int  predictions that found one, from each of T thresholds from 0 to 1 at equal distances
    predictions     (T,) int  all; precision is 0 where there are none, as in TensorBoard, which leaves that out
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_FLOAT
    from tensorboard.plugins.pr_curve.metadata import create_summary_metadata

    true_negatives = np.zeros_like(true_positives)  # there is no such thing in detection
    precision, recall = true_positives / np.maximum(predictions, 1), true_positives / max(n, 1)
    rows = np.array(
        [true_positives, predictions - true_positives, true_negatives, n - true_positives, precision, recall]
    )
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=side) for side in rows.shape])
    tensor = TensorProto(dtype=DT_FLOAT, tensor_shape=shape, tensor_content=rows.astype("<f4").tobytes())
    return Summary.Value(tag=tag, tensor=tensor, metadata=create_summary_metadata("", description, len(true_positives)))


def start_value(settings: Mapping[str, str | float | bool], started: float) -> Summary.Value:
    """Return a session's settings and the time (seconds) of its beginning for the HParams tab."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.metadata import NULL_TENSOR, create_summary_metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    info = SessionStartInfo(start_time_secs=started)
    for name, value in settings.items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    metadata = create_summary_metadata(HParamsPluginData(session_start_info=info))
    return Summary.Value(tag=START_TAG, metadata=metadata, tensor=NULL_TENSOR)


def end_value(is_success: bool, ended: float) -> Summary.Value:
    """Return how a session has ended, and when (seconds), for the HParams tab."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.metadata import NULL_TENSOR, create_summary_metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    info = SessionEndInfo(status=STATUS_SUCCESS if is_success else STATUS_FAILURE, end_time_secs=ended)
    metadata = create_summary_metadata(HParamsPluginData(session_end_info=info))
    return Summary.Value(tag=END_TAG, metadata=metadata, tensor=NULL_TENSOR)
