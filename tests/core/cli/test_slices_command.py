"""The command slices, the slices in the report, and the export of the images of some."""

import json

import pytest

from tests.core.cli.running import run
from tests.core.coco_cases import result


def sliced_run(capsys, home) -> tuple[str, list[int]]:
    """A run of imported results on the drawn street that finds all but what is on the pictures of one camera."""
    data = json.loads((home / "data/street/annotations/instances_train.json").read_text())
    left = [image["id"] for image in data["images"][::2]]
    rows = "".join(f"{i['file_name']};{'left' if i['id'] in left else 'right'}\n" for i in data["images"])
    (home / "data/street/cameras.csv").write_text("file_name;camera\n" + rows)
    results = [
        result(a["image_id"], a["category_id"], a["bbox"]) for a in data["annotations"] if a["image_id"] not in left
    ]
    (home / "dt.json").write_text(json.dumps(results))
    gt, images = home / "data/street/annotations/instances_train.json", home / "data/street/train"
    return run(capsys, "import", "--gt", gt, "--dt", home / "dt.json", "--images", images)[1].splitlines()[0], left


def test_slices_are_by_all_that_is_known_of_the_images(home, capsys):
    run_id, left = sliced_run(capsys, home)
    status, out, err = run(capsys, "slices", run_id, "--json")
    answer = json.loads(out)
    cameras = {row["slice"]: row for row in answer["slices"] if row["attribute"] == "camera"}
    assert status == 0 and cameras["left"]["AP"] == 0 and cameras["right"]["AP"] == pytest.approx(100)
    assert (cameras["left"]["images"], cameras["left"]["errors"]["missed"]) == (len(left), cameras["left"]["objects"])
    assert {"brightness", "sharpness", "objects"} <= {row["attribute"] for row in answer["slices"]}
    assert "Measuring the pictures, once" in err and list((home / "runs/.measured").iterdir())
    out = run(capsys, "slices", run_id, "--score", 0.4)[1]
    assert any(line.startswith("camera: left") and line.endswith("too few") for line in out.splitlines())


def test_the_report_shows_the_slices(home, capsys):
    run_id, _ = sliced_run(capsys, home)
    assert run(capsys, "analyze", run_id)[0] == 0
    report = (home / f"runs/{run_id}/report.html").read_text()
    assert "AP by slice, against all other images" in report and "camera: left" in report


def test_slices_of_images_that_are_gone_say_so(home, capsys):
    run_id, _ = sliced_run(capsys, home)
    (home / "data/street/annotations/instances_train.json").unlink()
    status, _, err = run(capsys, "slices", run_id)
    assert status == 1 and "instances_train.json" in err and "Traceback" not in err


def test_images_of_a_slice_are_exported(home, capsys):
    run_id, left = sliced_run(capsys, home)
    status, _, _ = run(capsys, "export", run_id, "--out", home / "out.json", "--slice", "camera:left")
    assert status == 0
    assert {image["id"] for image in json.loads((home / "out.json").read_text())["images"]} == set(left)
    status, _, err = run(capsys, "export", run_id, "--out", home / "out.json", "--slice", "camera:top")
    assert status == 1 and "There is no slice 'camera:top': choose from" in err and "camera:left" in err
