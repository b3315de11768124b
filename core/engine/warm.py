"""What an engine imports of which trainings, evaluations and answers of models are forked: `WARM`."""

# what its children need; torch, whose import takes time from the app (`server.py`), when that has begun
WARM = (
    "scipy.optimize", "pandas", "pyarrow.parquet", "sympy", "tensorboard.compat.proto.event_pb2",
    "tensorboard.summary.writer.record_writer", "torch", "core.cli.main", "core.runs.drive", "core.training.train",
    "core.training.typed_settings", "core.inference.predict", "core.detr.explain",
)  # fmt: skip
