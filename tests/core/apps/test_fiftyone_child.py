"""A run in FiftyOne, for real where there is a mongod: the dataset, the App, marks and tags there and back.

One conversation is held, with the App's child and with a second process that has FiftyOne, as its user would; the tests
look at what came of each step.
"""

import os
import shutil
import sys
import urllib.request
from collections import Counter
from types import ModuleType, SimpleNamespace

import numpy as np
import psutil
import pytest

from core import LabError
from core.apps import fiftyone_child
from core.apps.side_app import FIFTYONE, AppProcess
from core.child import Child
from core.datasets.attributes.attribute import ImageAttributes
from core.datasets.split import read_split
from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.table import read_table
from core.export.bundle import Bundle, coco_results
from core.export.fiftyone.dataset import VIEW
from core.keep_result import KeepResult
from core.runs.evaluated.tags import tag_files, with_tags
from core.runs.marks import Mark, Marks
from core.runs.store import RunStore
from tests.core.cli.apps.test_commands import listening
from tests.made_runs import make_run
from tests.processes import lives

USER = """
import json, os, sys
from core.child import open_requests
out, sys.stdout = sys.stdout, sys.stderr
requests = open_requests()
import fiftyone
from core import LabError
from core.apps.fiftyone_child import check_database
read, write = os.pipe()
if not os.fork():  # where no database answers, without another import
    fiftyone.config.database_uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"
    try:
        check_database()
    except LabError as error:
        os.write(write, str(error).encode())
    os._exit(0)
def described(name):
    data = fiftyone.load_dataset(name)
    data.reload()
    boxes = lambda field, key: {
        image_id: [[box[key], box.label, box.bounding_box] for box in labels.detections]
        for image_id, labels in zip(*data.values(["coco_id", field]))
    }
    return {
        "persistent": data.persistent, "fields": sorted(data.get_field_schema(flat=True)),
        "views": data.list_saved_views(),
        "paths": dict(zip(*data.values(["coco_id", "filepath"]))), "tags": dict(zip(*data.values(["coco_id", "tags"]))),
        "weather": dict(zip(*data.values(["coco_id", "weather"]))), "ids": data.values("id"),
        "truths": boxes("ground_truth", "coco_id"), "found": boxes("predictions", "query"),
        "label_tags": data.count_label_tags(), "own": data.has_field("own"),
        "errors": data.count_values("predictions.detections.error"),
        "viewed": data.load_saved_view(sys.argv[1]).values("coco_id") if data.list_saved_views() else [],
    }
def tag(name, add, remove, label):
    data = fiftyone.load_dataset(name)
    for tag_name, image_ids in add.items():
        data.match(fiftyone.ViewField("coco_id").is_in(image_ids)).tag_samples(tag_name)
    for tag_name, image_ids in remove.items():
        data.match(fiftyone.ViewField("coco_id").is_in(image_ids)).untag_samples(tag_name)
    if label:
        data.match(fiftyone.ViewField("coco_id") == label[0]).tag_labels(label[1], label_fields="ground_truth")
        data.add_sample_field("own", fiftyone.IntField)
print(json.dumps({"answer": os.read(read, 1000).decode()}), file=out, flush=True)
for line in requests:
    request = json.loads(line)
    answer = {"described": described, "tag": tag, "list": lambda: fiftyone.list_datasets()}[request[0]](*request[1:])
    print(json.dumps({"answer": answer}), file=out, flush=True)
"""


def said(process: AppProcess, **request) -> dict:
    work = KeepResult(process.ask(request))
    for _ in work:
        pass
    return work.result


def numbered(values: dict) -> dict:
    """JSON's keys are texts."""
    return {int(key): value for key, value in values.items()}


@pytest.fixture(scope="module")
def held(tmp_path_factory, database, drawn):
    """What each step of the conversation gave."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(drawn, root / "data/street")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in database.items():
            patch.setenv(name, value)
        store, process = RunStore(root), AppProcess(FIFTYONE, str(root))
        user = Child([sys.executable, "-c", USER, VIEW], database)
        try:
            yield converse(store, process, user)
        finally:
            process.stop(0)
            user.end()
            store.close()


def converse(store, process, user) -> SimpleNamespace:
    def ask(*request):
        if request:
            user.send(request)
        answer = user.receive(120)
        assert answer, "FiftyOne does not answer"
        return answer["answer"]

    run, split = make_run(store), read_split(store.data_dir / "street", "val")
    ids = [image["id"] for image in split.images]
    names = "".join(f"{image['file_name']},{'rain' if image['id'] % 2 else 'sun'}\n" for image in split.images)
    (store.data_dir / "street/weather.csv").write_text(f"file_name,weather\n{names}")
    marks, result = Marks(store), SimpleNamespace(store=store, run=run, split=split, ids=ids)
    marks.add_all(run.id, [Mark(LabelErrorKind.IMAGE, ids[0]), Mark(LabelErrorKind.IMAGE, ids[1])])
    marks.add(run.id, Mark(LabelErrorKind.MISSING, ids[5], "car", (1.0, 2.0, 3.0, 4.0)))
    opening = {"ask": "open", "run": run.id, "epoch": 0, "score": 0.3, "images": ids[3:6], "corrected": False}
    result.opened = said(process, **opening)
    url = f"http://127.0.0.1:{result.opened['port']}{result.opened['path']}"
    with urllib.request.urlopen(url, timeout=30) as page:
        result.status = page.status
    result.places = listening(psutil.Process(process.pid))
    result.without = ask()
    result.first = ask("described", result.opened["name"])
    ask("tag", result.opened["name"], {"marked": [ids[2]], "*odd*": [ids[2], ids[3]]}, {"marked": [ids[0]]},
        [ids[2], "wrong"])  # fmt: skip
    marks.add(run.id, Mark(LabelErrorKind.IMAGE, ids[4]))
    marks.remove(run.id, Mark(LabelErrorKind.IMAGE, ids[1]).key)
    result.brought = said(process, ask="tags", run=run.id, epoch=None)
    result.marked = set(marks.image_ids(run.id))
    store.set_words(run.id, name="*newer* / <b>")
    result.again = said(process, **opening | {"score": 0.8, "images": None})
    result.second, result.datasets = ask("described", result.again["name"]), ask("list")
    ask("tag", result.again["name"], {"marked": [ids[6]]}, {}, None)
    family = psutil.Process(process.pid).children(recursive=True)
    process.stop(60)
    psutil.wait_procs(family, 20)
    result.left = [one for one in family if lives(one)]
    result.at_end = set(marks.image_ids(run.id))
    return result


def test_the_pictures_are_where_they_lie_and_none_is_copied(held):
    paths = numbered(held.first["paths"])
    assert paths == {image["id"]: os.path.abspath(held.split.image_path(image)) for image in held.split.images}


def test_labels_and_predictions_are_those_of_the_model(held):
    truths = numbered(held.first["truths"])
    assert {i: [row[0] for row in rows] for i, rows in truths.items()} == {
        i: [a["id"] for a in held.split.annotations_by_image[i]] for i in held.ids
    }
    for described, score in ((held.first, 0.3), (held.second, 0.8)):
        table = read_table(held.store.evaluations(held.run.id)[0].table)
        rows = [row for rows in coco_results(Bundle(held.split, table, tuple(held.ids), score)) for row in rows]
        predictions = numbered(described["found"])
        assert {i: [row[0] for row in boxes] for i, boxes in predictions.items()} == {
            i: [row["query"] for row in rows if row["image_id"] == i] for i in held.ids
        }
        errors = {"null" if error is None else error: n for error, n in Counter(r["error"] for r in rows).items()}
        assert described["errors"] == errors and "localization" in errors
    assert {"predictions.detections.iou", "predictions.detections.gt_id"} < set(held.first["fields"])


def test_what_is_known_of_the_images_are_fields(held):
    assert numbered(held.first["weather"]) == {i: "rain" if i % 2 else "sun" for i in held.ids}
    assert "objects" in held.first["fields"]


def test_marks_are_tags(held):
    tags = {i: given for i, given in numbered(held.first["tags"]).items() if given}
    assert tags == {held.ids[0]: ["marked"], held.ids[1]: ["marked"], held.ids[5]: ["label error"]}


def test_the_app_answers_this_machine_alone_and_shows_what_was_chosen(held):
    assert held.status == 200
    assert {host for host, _ in held.places} <= {"127.0.0.1"} and held.opened["port"] in dict(
        map(reversed, held.places)
    )
    assert held.first["views"] == [VIEW] and held.first["viewed"] == held.ids[3:6]
    assert held.opened["path"].endswith("?view=chosen-in-detr-lab") and "?" not in held.again["path"]
    assert held.second["views"] == []


def test_tags_come_back_as_marks_that_are_added_and_removed_and_those_made_here_stay(held):
    assert held.brought["sentence"] == "1 mark added, 1 removed; tags that are slices now: *odd*, wrong."
    assert held.marked == {held.ids[2], held.ids[4]}
    tags = numbered(held.second["tags"])
    assert {i for i, given in tags.items() if "marked" in given} == held.marked


def test_other_tags_become_slices_of_the_run(held):
    known = with_tags(ImageAttributes(np.array(held.ids)), tag_files(held.store, held.run.id))
    assert known.images_of([("FiftyOne tags", "*odd*")]) == {held.ids[2], held.ids[3]}
    assert known.images_of([("FiftyOne label tags", "wrong")]) == {held.ids[2]}


def test_a_second_opening_updates_the_dataset_and_keeps_what_was_done_there(held):
    assert held.datasets == [held.again["name"]] and held.again["name"].startswith("newer b ")
    assert held.second["persistent"] and held.second["own"] and held.second["ids"] == held.first["ids"]
    assert held.second["label_tags"] == {"wrong": len(held.split.annotations_by_image[held.ids[2]])}
    assert {i for i, given in numbered(held.second["tags"]).items() if "*odd*" in given} == set(held.ids[2:4])


def test_when_it_is_stopped_the_tags_come_back_and_nothing_of_it_is_left(held):
    assert held.at_end == held.marked | {held.ids[6]}
    assert held.left == []


def test_without_a_database_it_is_said_in_a_sentence(held):
    assert held.without == (
        "FiftyOne's database at FIFTYONE_DATABASE_URI does not answer (Could not connect to `mongod`). "
        "Export the images as FiftyOne instead: the zip opens wherever FiftyOne runs."
    )


def test_where_no_mongod_is_installed_it_is_said_in_a_sentence(monkeypatch):
    class ConfigError(Exception):
        pass

    def list_datasets():
        raise ConfigError("MongoDB could not be installed on your system.\nPlease define …")

    fake = ModuleType("fiftyone")
    fake.core = SimpleNamespace(config=SimpleNamespace(FiftyOneConfigError=ConfigError))
    fake.list_datasets = list_datasets
    service = ModuleType("fiftyone.core.service")
    service.ServiceException = ConfigError
    for name, module in {"fiftyone": fake, "fiftyone.core": ModuleType("core"), service.__name__: service}.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(LabError, match=r"^FiftyOne finds no MongoDB on this machine: install one and name it in "):
        fiftyone_child.check_database()
