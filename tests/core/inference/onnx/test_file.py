"""An ONNX file that anybody may have written: what is not ONNX's own, or lies elsewhere, is refused in one sentence."""

import os
import random
from contextlib import suppress

import onnx
import pytest
from onnx import TensorProto, helper

from core import ModelError
from core.inference.onnx import file as module
from core.inference.onnx.file import read_graph
from tests.core.inference.onnx.tiny import tiny_model


def written(folder, model: onnx.ModelProto | bytes):
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def refused(folder, model) -> str:
    with pytest.raises(ModelError) as error:
        read_graph(written(folder, model))
    text = str(error.value)
    assert text.startswith(str(folder / "model.onnx")) and text.endswith(".") and "\n" not in text
    return text


def test_a_sound_file_is_given_as_it_is(tmp_path):
    model = tiny_model()
    assert onnx.load_model_from_string(read_graph(written(tmp_path, model))) == model


@pytest.mark.parametrize("content", [b"", b"no ONNX", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_graph_is_refused(content, tmp_path):
    assert "copy it again" in refused(tmp_path, content)


def test_a_missing_file_and_a_folder_are_said_to_be_that(tmp_path):
    with pytest.raises(ModelError, match="is not there: check its path"):
        read_graph(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="cannot be read: a folder"):
        read_graph(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="not a file"):
        read_graph(tmp_path / "model.onnx")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    assert "more than the 100" in refused(tmp_path, tiny_model())


@pytest.mark.parametrize("domain", ["com.microsoft", "my.ops", "ai.onnx.contrib"])
def test_an_operator_of_somebody_else_is_refused(domain, tmp_path):
    assert f"the operator Strange of {domain}, which is not ONNX's own" in refused(tmp_path, tiny_model(domain=domain))


def test_so_it_is_inside_of_another_operator(tmp_path):
    strange = helper.make_node("Strange", [], ["y"], domain="my.ops")
    branch = helper.make_graph([strange], "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = tiny_model()
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    assert "Strange of my.ops" in refused(tmp_path, model)


def test_so_it_is_in_a_function_of_the_file(tmp_path):
    model = tiny_model(domain="my.ops")  # an operator that the file itself explains
    opset = [helper.make_opsetid("", 18)]
    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(helper.make_function("my.ops", "Strange", ["x"], ["y"], body, opset))
    assert read_graph(written(tmp_path, model))
    model.functions[0].node[0].domain = "other.ops"
    assert "Identity of other.ops" in refused(tmp_path, model)


def test_graphs_inside_graphs_have_an_end(tmp_path):
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "inner", [], [])
    for _ in range(module.MOST_DEPTH + 1):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["z"], then_branch=graph)], "outer", [], [])
    model = tiny_model()
    model.graph.node.extend(graph.node)
    assert "graphs inside graphs" in refused(tmp_path, model)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "weights.bin"])
@pytest.mark.parametrize("inside", [False, True])
def test_numbers_in_another_file_are_refused_wherever_they_are_named(location, inside, tmp_path):
    model = tiny_model()
    tensor = model.graph.initializer[0]
    if inside:
        node = helper.make_node("Constant", [], ["k"], value=helper.make_tensor("k", TensorProto.FLOAT, [1], [1.0]))
        model.graph.node.append(node)
        tensor = model.graph.node[-1].attribute[0].t
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    assert "keeps its numbers in another file: save it as one file" in refused(tmp_path, model)


def test_a_damaged_file_gives_a_graph_or_one_sentence(tmp_path):
    sound, rng = tiny_model().SerializeToString(), random.Random(0)
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        with suppress(ModelError):
            assert module.checked(tmp_path / "model.onnx", bytes(content))
