"""Settings as a file and as a command line: what is written is what is read, whatever the names."""

import shlex
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import ConfigError
from core.cli.main import make_parser
from core.cli.shell.settings import config_of
from core.config import TrainConfig
from core.presets import PRESETS
from core.runs.store import RunStore
from core.training.settings_file.command_line import reproduce
from core.training.settings_file.yaml_file import parse_settings, read_settings, settings_text

# names that YAML, a shell or argparse could take for something else
HOSTILE = (
    "-x", "--data", "'", '"', "a b", "null", "1e5", "true", "# no", "{a: b}", "é\u2028\x85", "\x1b[31m", "$(x)",
    "&a",
)  # fmt: skip
names = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)


def _values(field) -> st.SearchStrategy:
    meta, kind = field.metadata, type(field.default)
    if kind is bool:
        return st.booleans()
    if "choices" in meta and kind is tuple:
        return st.lists(st.sampled_from(meta["choices"]), unique=True, max_size=3)
    if "choices" in meta:
        return st.sampled_from(meta["choices"])
    if kind is tuple:
        return st.lists(names, max_size=4)
    if kind is float:
        return st.floats(meta["min"], meta["max"])
    return st.integers(meta["min"], meta["max"]) if kind is int else names


@st.composite
def configs(draw) -> TrainConfig:
    """Settings of which some are others than the defaults."""
    chosen = draw(st.lists(st.sampled_from(fields(TrainConfig)), max_size=12, unique_by=lambda field: field.name))
    try:
        return TrainConfig(**{field.name: draw(_values(field)) for field in chosen})
    except ConfigError:  # they do not go together, or a name is only spaces
        return draw(st.sampled_from([preset.apply() for preset in PRESETS.values()]))


@settings(max_examples=100, deadline=None)
@given(configs(), names)
def test_a_file_that_is_written_is_read_as_the_same_settings(config, title):
    text = settings_text(config, title)
    file = parse_settings(text.encode(), "run.yaml")
    assert TrainConfig(**file.values) == config and file.preset is None
    commented = [line.startswith("# ") for line in text.splitlines()]
    assert sum(commented) == len(fields(TrainConfig)) + 2


@pytest.fixture(scope="module")
def parser():
    return make_parser()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("root"))
    yield store
    store.close()


@settings(max_examples=100, deadline=None)
@given(config=configs())
def test_the_line_of_a_run_is_read_as_the_same_settings(parser, store, config):
    program, *arguments = shlex.split(reproduce(config, "detr-lab"))
    assert program == "detr-lab"
    read, _ = config_of(store, parser.parse_args(arguments))
    same = {name: getattr(config, name) for name in ("data", "model")}  # folders that are there become absolute
    assert TrainConfig(**read.to_dict() | same) == config


def test_the_line_says_no_more_than_what_differs_from_its_preset():
    config = PRESETS["Built-in demo"].apply()
    assert reproduce(config) == (
        "python -m core train --preset 'Built-in demo' --data data/street --model checkpoints/starter"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs: 3\nlearning_rate: 1", "run.yaml, line 2: there is no setting 'learning_rate'; the nearest is "),
        ("batchsize: 1", "line 1: there is no setting 'batchsize'; the nearest is 'batch_size'."),
        ("# one\n\nepochs: many", "line 3: epochs is 'many', but must be of type int."),
        ("lr: fast", "line 1: lr is 'fast', but must be a number."),
        ("lr: 7", "line 1: lr is 7.0, but must lie between"),
        ("lr: [[[[1]]]]", "line 1: a setting is one value, or a list of names."),
        ("classes: &a [x]\naugment: *a", "line 2: a setting is one value"),
        ("epochs: 1\nepochs: 2", "line 2: epochs is there twice."),
        ("preset: Experiment X", "line 1: there is no preset 'Experiment X'; the nearest is 'Experiment'."),
        ("preset: [a]", "line 1: there is no preset"),
        ("- epochs", "line 1: there are no lines of the form"),
        ("epochs: [1", "line 1 is no YAML"),
        ("data: !!python/object/apply:os.system [ls]", "is no YAML: could not determine a constructor"),
        ("a: \x00", "is no YAML"),
        ("[" * 100_000, "line 1: a setting is one value"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_line(text, said):
    with pytest.raises(ConfigError) as error:
        parse_settings(text.encode(), "run.yaml")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_may_say_little_and_write_numbers_as_people_do():
    file = parse_settings(b"preset: Experiment\nlr: 1e-4\nminutes: 5\nclasses: car, dog\n", "run.yaml")
    assert file.preset == "Experiment"
    assert file.values == {"lr": 1e-4, "minutes": 5.0, "classes": ("car", "dog")}
    assert parse_settings(b"", "run.yaml").values == {}


def test_what_is_no_file_or_too_large_is_refused(tmp_path):
    (tmp_path / "large").write_bytes(b"#" * 1_000_001)
    (tmp_path / "latin").write_bytes(b"data: \xe9")
    for name, said in (("none", "No such file"), ("", "a folder"), ("large", "1,000,000"), ("latin", "not UTF-8")):
        with pytest.raises(ConfigError, match=said):
            read_settings(tmp_path / name)
