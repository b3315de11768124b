"""Files that somebody else wrote are opened by core/files.py alone: whatever else could read one is listed here."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core", "ui", "pages")
OURS = {"core/files.py"}  # the door itself
READERS = {  # functions and methods that open a file, or read it by its path
    "open", "read_text", "read_bytes", "ParquetFile", "ParquetDataset", "read_table", "read_csv", "read_json",
    "memory_map", "OSFile", "mmap", "loadtxt", "genfromtxt", "fromfile", "memmap", "getline", "InferenceSession",
}  # fmt: skip
MODULES = {  # which of a module's functions do
    "shutil": {"copy", "copy2", "copyfile", "copytree", "move"},
    **{name: {"load"} for name in ("np", "numpy", "json", "tomllib", "pickle", "torch")},
    "onnx": {"load", "load_model"},
    **{name: {"parse"} for name in ("ElementTree", "ET")},
}
OF_THE_DOOR = (  # whose readers are safe
    "core.files", "core.datasets.convert.source", "core.detr.model_folder", "core.evaluation.table",
)  # fmt: skip
OPENS_NO_FILE = {"archive.open", "models.open", "tracker.open", "opener.open"}
ALLOWED = {
    # a graph that the door has given, and one that was made here
    (
        "core/inference/onnx/model.py",
        "onnxruntime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])",
    ),
    (
        "core/export/onnx/variants.py",
        "onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])",
    ),
    # what was written a moment ago
    ("core/export/onnx/variants.py", "onnx.load_model(str(target))"),
    ("core/export/onnx/variants.py", "onnx.load_model(str(model))"),
    # the one opener of pictures, which gives Pillow what the door has opened
    ("core/datasets/pictures.py", "Image.open(file, formats=formats)"),
    # a picture that was drawn here, in memory
    ("core/runs/tensorboard/pictures.py", "Image.open(BytesIO(small))"),
    # the lower bytes of a picture that the opener has opened
    ("core/datasets/pixels/eight_bits.py", "Image.open(file, formats=(image.format or '',))"),
    # after the door has looked at it, since Arrow reads in threads of its own
    ("core/evaluation/table.py", "pq.ParquetFile(path, page_checksum_verification=True)"),
    ("core/evaluation/alike/states.py", "pq.ParquetFile(path, page_checksum_verification=True)"),
    (
        "core/evaluation/table.py",
        "pq.read_table(path, columns=columns, filters=where, page_checksum_verification=True)",
    ),
    # bytes that the door has given
    ("core/datasets/fingerprint/fingerprint.py", "pq.read_table(pa.BufferReader(read_bytes(path, MOST_BYTES)))"),
    ("core/datasets/attributes/measured.py", "pq.read_table(pa.BufferReader(read_bytes(path, MOST_BYTES)))"),
    # after it has looked at what the door has opened, and at each part of it
    ("core/training/trainer_state.py", "torch.load(path, weights_only=True, map_location='cpu')"),
    # what DETR Lab has written: a checkpoint that is whole, a trace; and what the system writes
    # and a picture of a user's, a regular file, where it cannot be linked
    ("core/system/moves.py", "shutil.copyfile(source, target)"),
    ("core/training/profiler.py", "path.read_bytes()"),
    ("core/system/proc.py", "Path(f'/proc/{pid}/stat').read_text(encoding='utf-8', errors='replace')"),
    ("core/detr/input/cache.py", "(CGROUP / name).read_text(encoding='ascii')"),
    # the session that ClearML has written into a run's folder, which goes on after a kill
    ("core/runs/tracking/clearml.py", "path.open('rb+')"),
    ("core/runs/tracking/clearml.py", "path.open(encoding='utf-8')"),
    ("core/runs/tracking/clearml.py", "(session / 'task.json').read_bytes()"),
    ("core/runs/tracking/clearml.py", "shutil.copyfile(self._session / 'task.json', partial)"),
    ("core/runs/tracking/clearml.py", "shutil.copyfile(kept, session / 'task.json')"),
    # memory without a file
    ("core/detr/input/cache.py", "mmap.mmap(-1, max(1, size))"),
    ("core/engine/server.py", "os.open(os.devnull, os.O_RDONLY)"),
    ("core/child.py", "os.open(os.devnull, os.O_RDONLY)"),
    ("core/engine/server.py", "open(old.fileno(), mode, buffering=0 if mode == 'wb' else -1, closefd=False)"),
    # for writing, or to have what was written flushed
    ("core/disk.py", "path.open('rb+')"),
    ("core/detr/sources/fetch.py", "part.open('ab' if answer.status_code == 206 else 'wb', buffering=0)"),
    # files beside our own code
    ("core/charts/to_json.py", "(Path(__file__).parent / 'draw.js').read_text(encoding='utf-8')"),
    ("core/export/writers.py", "(HERE / 'fiftyone' / SCRIPT).read_text(encoding='utf-8')"),
    ("core/export/html.py", "(HERE / 'report.css').read_text(encoding='utf-8')"),
    ("core/export/html.py", "(HERE / 'report.js').read_text(encoding='utf-8')"),
    ("core/export/html.py", "PLOTLY.read_text(encoding='utf-8')"),
    ("ui/server/scripts.py", "path.read_bytes()"),
    ("ui/server/guard.py", "(Path(st.__file__).parent / 'static/index.html').read_text(encoding='utf-8')"),
    ("ui/gallery/component.py", "(HERE / name).read_text(encoding='utf-8')"),
    ("ui/runs/curves.py", "(HERE / 'curves.css').read_text(encoding='utf-8')"),
    ("ui/live/component.py", "(HERE / 'live.css').read_text(encoding='utf-8')"),
    ("ui/charts/component.py", "(HERE / 'chart.css').read_text(encoding='utf-8')"),
    # goes with an export, where nothing of DETR Lab is
    ("core/export/fiftyone/open_in_fiftyone.py", "(folder / 'labels.json').read_text(encoding='utf-8')"),
    ("core/export/fiftyone/open_in_fiftyone.py", "(folder / 'predictions.json').read_text(encoding='utf-8')"),
}


def safe_names(tree: ast.Module) -> set[str]:
    """The names by which a file calls the door, or its own functions that do."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in OF_THE_DOOR
        for alias in node.names
    }
    return imported | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def writes(call: ast.Call) -> bool:
    """Whether a call of `open` has a mode for writing."""
    modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(m, ast.Constant) and isinstance(m.value, str) and m.value.strip("bt") in "wxa" for m in modes)


def readers(source: str) -> set[str]:
    """The calls in a file that read another one past the door, as they are written."""
    tree = ast.parse(source)
    safe, past = safe_names(tree), set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func)
        module, _, name = function.rpartition(".")
        is_reader = name in READERS or name in MODULES.get(module.rpartition(".")[2], ())
        is_safe = function in OPENS_NO_FILE or function in safe or module == "files"
        if is_reader and not is_safe and not (name == "open" and writes(call)):
            past.add(ast.unparse(call))
    return past


def test_nothing_reads_past_the_door():
    seen = {
        (path.relative_to(ROOT).as_posix(), call)
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.relative_to(ROOT).as_posix() not in OURS
        for call in readers(path.read_text())
    }
    assert seen - ALLOWED == set()
    assert ALLOWED - seen == set(), "the list holds what is not there any more"


def test_a_reader_past_the_door_is_found():
    for line in (
        "open(path)", "open(path, 'rb')", "path.open()", "path.open(mode='r')", "Path(x).read_text()", "io.open(x)",
        "self.path.read_bytes()", "PIL.Image.open(x)", "np.load(x)", "json.load(open(x))", "os.open(x, 0)",
        "shutil.copyfile(a, b)", "pq.read_table(x)", "path.open('r+b')",
    ):  # fmt: skip
        assert readers(line), line
    for line in (
        "path.open('wb')", "open(path, mode='a')", "archive.open(info, 'w')", "image.load()",
        "from core.files import read_bytes\nread_bytes(path, 5)", "from core import files\nfiles.read_bytes(path, 5)",
    ):  # fmt: skip
        assert not readers(line), line
