"""The one door to an ONNX file, which anybody may have written: read within limits, and looked through.

In: a path. Out: the bytes of a graph that is made of ONNX's own operators and holds all its numbers itself; or
ModelError, one sentence. An operator from elsewhere would be code of somebody else; numbers in another file could be
any file of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import ModelError
from core.files import read_bytes
from core.inference.onnx.description import ENDING
from core.wording import short

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

MOST_BYTES = 1_900_000_000  # of a file; protobuf takes no more than 2 GiB
MOST_NODES = 200_000  # of a graph with those inside it; a Deformable DETR has 5,000
MOST_DEPTH = 8  # of graphs inside graphs
OWN_DOMAINS = ("", "ai.onnx")


def is_onnx(spec: str) -> bool:
    """Check whether a user names an ONNX file."""
    return spec.lower().endswith(ENDING)


def read_graph(path: Path) -> bytes:
    """Return the bytes of an ONNX file for ONNX Runtime; raises ModelError if it cannot be used here."""
    return checked(path, _read(path))


def checked(path: Path, content: bytes) -> bytes:
    """Return the graph that is in the content of the file, in ONNX's own form; raises ModelError as `read_graph`."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, RecursionError):
        raise _refused(path, "is no ONNX file, or a damaged one: copy it again") from None
    if not model.graph.node:
        raise _refused(path, "holds no graph: copy it again")
    _check(path, model)
    return bytes(model.SerializeToString())


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MOST_BYTES)
    except FileNotFoundError:
        raise ModelError(f"{short(path, 120)} is not there: check its path.") from None
    except OSError as error:
        raise ModelError(f"{short(path, 120)} cannot be read: {error.strerror or error}.") from None


def _check(path: Path, model: ModelProto) -> None:
    """Raise ModelError for operators that are not ONNX's own, and for numbers that are in other files."""
    known = {(function.domain, function.name) for function in model.functions}
    count = 0
    for graph in _graphs(path, model):
        count += len(graph.node)
        if count > MOST_NODES:
            raise _refused(path, f"has more than {MOST_NODES:,} operators")
        for node in graph.node:
            if node.domain not in OWN_DOMAINS and (node.domain, node.op_type) not in known:
                raise _refused(
                    path, f"has the operator {short(node.op_type, 60)} of {short(node.domain, 60)}, which is not "
                    "ONNX's own: export it without custom operators",
                )  # fmt: skip
        if any(_is_elsewhere(tensor) for tensor in _tensors(graph)):
            raise _refused(path, "keeps its numbers in another file: save it as one file")


def _graphs(path: Path, model: ModelProto) -> Iterator[Any]:
    """Yield the graph, those inside its operators, and the bodies of its functions."""
    waiting: list[tuple[Any, int]] = [(model.graph, 0), *((function, 0) for function in model.functions)]
    while waiting:
        graph, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise _refused(path, f"has graphs inside graphs, more than {MOST_DEPTH} deep")
        yield graph
        inner = (a for node in graph.node for a in node.attribute)
        for attribute in inner:
            parts = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
            waiting += [(part, depth + 1) for part in parts]


def _tensors(graph: GraphProto | Any) -> Iterator[TensorProto]:
    """Yield every tensor that a graph holds itself, or that an operator of it holds."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            yield attribute.t
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _is_elsewhere(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL or tensor.external_data)


def _refused(path: Path, reason: str) -> ModelError:
    return ModelError(f"{short(path, 120)} {reason}.")
