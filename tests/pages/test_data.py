"""What the page Data shows of a data set: every number and every image against plain counting."""

from collections import Counter

import pytest

from core.datasets.layouts import list_datasets
from core.datasets.split import read_split
from core.labels import COCO_TEN
from tests.own_folders import add, labels, mine, write, write_single
from tests.pages.data_page import (  # noqa: F401 (one is a fixture)
    PAGE,
    SPLITS,
    a_desk_of_its_own,
    cards,
    charts,
    checked,
    clicked,
    count,
    gallery,
    images_by_counting,
    is_open,
    on_disk,
    one_error,
    open_page,
    shown_ids,
    truths,
    turn_to,
)
from ui.choose import data_source

# What is in it


def test_chosen_classes_restrict_every_number(store, tmp_path):
    folder = mine(tmp_path / "mine", classes=("car", "dog", "bus"), train=20, val=12)
    app = open_page(folder)
    app = checked(app.multiselect(key="data classes").set_value(["bus", "car"]).run())
    data = on_disk(folder)
    assert cards(app) == {name: count(one, ("bus", "car")) for name, one in data.items()}
    assert [row[0] for row in charts(app)["objects-by-class"]["rows"]].count("dog") == 0
    for row in charts(app)["objects-by-class"]["rows"]:
        ids = {c["name"]: c["id"] for c in data[row[1]]["categories"]}
        own = [a for a in data[row[1]]["annotations"] if a["category_id"] == ids[row[0]]]
        assert row[2:4] == [len(own), len({a["image_id"] for a in own})]
    app.session_state["data view"] = "Images"
    assert gallery(checked(app.run()))["classes"] == ["car", "bus"]
    assert {truth["class"] for truth in truths(app)} == {0, 1}, "a dog has no place among them"


def test_crowds_are_counted_apart(store, tmp_path):
    train, val = labels(1, 9), labels(101, 5)
    add(train, 1, 1, (3, 3, 90, 90), iscrowd=1)
    folder = write(tmp_path / "mine", {"train": train, "val": val})
    app = open_page(folder)
    assert cards(app)["train"] == count(train)
    assert "1 crowd" in next(c.value for c in app.caption if "crowd" in c.value)


@pytest.mark.parametrize("names, chosen", [
    (("zebra", *COCO_TEN, "apple"), True), (tuple(COCO_TEN), False), (("zebra", *list(COCO_TEN)[1:]), False),
])  # fmt: skip
def test_the_ten_are_chosen_at_first_where_all_of_them_and_more_are_there(store, tmp_path, names, chosen):
    folder = mine(tmp_path / "mine", classes=names, train=30, val=30)
    app = open_page(folder)
    assert sorted(app.multiselect(key="data classes").value) == (sorted(COCO_TEN) if chosen else [])
    assert cards(app) == {n: count(d, COCO_TEN if chosen else None) for n, d in on_disk(folder).items()}


def test_a_choice_of_classes_goes_with_data_of_other_classes_and_outlives_another_page(store, tmp_path):
    first, other = mine(tmp_path / "first"), mine(tmp_path / "other", classes=("cat", "dog"))
    app = open_page(first)
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    app.switch_page("../pages/train.py")
    checked(app.run())
    app.switch_page(PAGE)
    assert checked(app.run()).multiselect(key="data classes").value == ["dog"]
    assert turn_to(app, other).multiselect(key="data classes").value == []


def test_every_chart_says_on_how_many_it_rests(store, tmp_path):
    folder = mine(tmp_path / "mine")
    numbers = {"objects-per-image": "14 images", "shared-images": "9 images"}
    for key, chart in charts(open_page(folder)).items():
        assert numbers.get(key, "18 objects") in chart["caption"]
        assert chart["note"].strip() and chart["rows"]


# A click on a chart


def test_a_click_on_any_point_of_any_chart_opens_exactly_its_images(store, tmp_path):
    folder = mine(tmp_path / "mine", classes=("car", "dog", "bus"), train=13, val=9)
    data, app = on_disk(folder), open_page(folder)
    targets = {}
    for key, chart in charts(app).items():
        for trace in chart["traces"]:
            flat = trace.get("customdata") or []
            for one in flat if trace["type"] != "heatmap" else [cell for row in flat for cell in row]:
                if one:
                    targets.setdefault((key, tuple(sorted(one))), []).append(one)
    assert {key for key, _ in targets} >= {"objects-by-class", "size-by-class", "shared-images"}
    for (key, _), several in targets.items():
        for target in several[:: max(1, len(several) // 3)]:
            app = clicked(app, key, target)
            assert is_open(app) == "Images"
            asked = dict(target)
            expected = images_by_counting(data, asked.pop("class", None), asked.pop("with", None), **asked)
            assert sorted(shown_ids(app)) == expected != [], f"{key}: {target}"


def test_a_click_counts_the_objects_that_the_chart_counts(store, tmp_path):
    """Of a bar for a class and a split: as many objects of it on the images as the bar says."""
    folder = mine(tmp_path / "mine", train=13, val=9)
    app = open_page(folder)
    for name, split, objects, images, *_ in charts(app)["objects-by-class"]["rows"]:
        page = gallery(clicked(app, "objects-by-class", {"class": name, "split": split}))
        own = page["classes"].index(name)
        assert len(page["images"]) == images
        assert sum(truth["class"] == own for truth in truths(app)) == objects


def test_a_click_takes_the_place_of_what_was_asked_for_before(store, tmp_path):
    folder = mine(tmp_path / "mine", train=13, val=9)
    before = {"samples_split": "val", "samples_class": "dog", "samples_with": "car", "samples_size": "large"}
    app = open_page(folder, data_view="Images", **before)
    app = clicked(app, "objects-by-class", {"class": "car", "split": "train"})
    assert sorted(shown_ids(app)) == images_by_counting(on_disk(folder), "car", split="train")


# Fewer images


def test_fewer_images_restrict_the_numbers_and_the_images(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_val=4)
    assert {name: found[0] for name, found in cards(app).items()} == {"train": 8, "val": 4}
    assert all(found[3] == 0 for found in cards(app).values())
    app.session_state["data view"] = "Images"
    app = checked(app.run())
    assert Counter(split for split, _ in shown_ids(app)) == {"train": 8, "val": 4}
    assert app.button(key="train on this").disabled


def test_a_share_of_the_fewer_images_is_empty_and_another_seed_takes_others(store, tmp_path):
    folder = mine(tmp_path / "mine", train=40, val=40)
    app = open_page(folder, fewer_train=10, fewer_val=10, fewer_empty=20, data_view="Images")
    assert {found[0]: found[3] for found in cards(app).values()} == {10: 2}
    first = sorted(shown_ids(app))
    app.session_state["fewer seed"] = 1
    other = sorted(shown_ids(checked(app.run())))
    app.session_state["fewer seed"] = 0
    assert sorted(shown_ids(checked(app.run()))) == first != other


def test_more_than_there_are_is_all_of_them(store, tmp_path):
    folder = mine(tmp_path / "mine")
    app = open_page(folder, fewer_train=1000)
    assert cards(app)["train"][2] == cards(app)["train"][0] == 6


@pytest.mark.parametrize("key, value", [("fewer train", -1), ("fewer val", -100), ("fewer train", 10**10)])
def test_numbers_out_of_range_are_one_sentence(store, tmp_path, key, value):
    app = open_page(mine(tmp_path / "mine"), **{key: value})
    assert str(value) in one_error(app)


def test_fewer_images_of_a_class_that_one_split_lacks(store, tmp_path):
    """As Roboflow writes them: each file lists its own categories."""
    folder = write(tmp_path / "m", {"train": labels(1, 12, ("car", "dog")), "val": labels(101, 8, ("car",))})
    app = open_page(folder, fewer_train=4)
    assert cards(app)["train"][0] == 4 and cards(app)["val"][0] == 6


def test_fewer_images_are_kept_as_a_data_set_of_links_which_is_then_shown(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_val=4, fewer_empty=25, fewer_name="few")
    before, numbers = sorted(folder.rglob("*")), cards(app)
    app = checked(app.button(key="keep").click().run())
    target = store.data_dir / "few"
    assert target in list_datasets(store.data_dir) and sorted(folder.rglob("*")) == before
    for name in SPLITS:
        split = read_split(target, name)
        assert (target / name).is_symlink() and len(split.images) == numbers[name][0]
        assert all(split.image_path(image).is_file() for image in split.images)
    assert cards(app) == numbers and not app.error
    assert app.session_state[data_source.TYPED] == str(target)
    assert not app.button(key="train on this").disabled
    assert "few" in app.selectbox(key=data_source.KEPT).options


def test_only_the_chosen_classes_are_kept(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder)
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    app.session_state["fewer train"] = 5
    app = checked(checked(app.run()).button(key="keep").click().run())
    assert [c["name"] for c in read_split(store.data_dir / "part", "train").categories] == ["dog"]
    assert app.multiselect(key="data classes").options == ["dog"] and cards(app)["train"][0] == 5


@pytest.mark.parametrize(
    "name, says", [("street", "is there already"), ("../x", "is no folder's"), ("", "is no folder's")]
)
def test_a_name_that_is_taken_or_none_is_a_sentence_and_everything_stays(store, tmp_path, name, says):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_name=name)
    before, numbers = sorted(store.root.rglob("data/**/*")), cards(app)
    app = checked(app.button(key="keep").click().run())
    assert says in one_error(app)
    assert sorted(store.root.rglob("data/**/*")) == before and cards(app) == numbers
    assert not checked(app.run()).error, "told again"


def test_keeping_twice_under_one_name_is_refused(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = checked(open_page(folder, fewer_train=8).button(key="keep").click().run())
    app.session_state["fewer train"] = 4
    app = checked(turn_to(app, folder).button(key="keep").click().run())
    assert "is there already" in one_error(app)
    assert len(read_split(store.data_dir / "part", "train").images) == 8


@pytest.mark.parametrize("layout", ["roboflow", "under images", "single"])
def test_other_layouts_are_kept_too(store, tmp_path, layout):
    if layout == "single":
        folder = write_single(tmp_path / "mine", labels(1, 40))
    else:
        folder = mine(tmp_path / "mine", layout, train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_val=4)
    numbers = cards(app)
    app = checked(app.button(key="keep").click().run())
    assert not app.error and cards(app) == numbers
    assert {name: len(read_split(store.data_dir / "part", name).images) for name in SPLITS} == {"train": 8, "val": 4}


# Images


FILTERS = [
    {}, {"split": "val"}, {"name": "dog"}, {"other": "car"}, {"size": "small"}, {"name": "car", "other": "dog"},
    {"name": "dog", "size": "medium", "split": "train"}, {"name": "car", "other": "car"},
    {"name": "dog", "other": "car", "size": "small", "split": "train"},
]  # fmt: skip


def test_filters_combine(store, tmp_path):
    folder = mine(tmp_path / "mine", train=12, val=11)
    data, app = on_disk(folder), open_page(folder, data_view="Images")
    for asked in FILTERS:
        app.session_state["samples split"] = asked.get("split")
        app.session_state["samples class"] = asked.get("name", "(any)")
        app.session_state["samples with"] = asked.get("other", "(any)")
        app.session_state["samples size"] = asked.get("size")
        expected = images_by_counting(data, **asked)
        assert sorted(shown_ids(checked(app.run()))) == expected, asked
        assert f"{len(expected)} of 23 images" in [c.value for c in app.caption]


def test_where_no_image_fits_the_page_says_so(store, tmp_path):
    app = open_page(mine(tmp_path / "mine"), data_view="Images", samples_size="large")
    assert "No image has what is asked for" in app.info[0].value
    assert gallery(app) is None


def test_of_classes_that_are_not_chosen_no_image_can_be_asked_for(store, tmp_path):
    folder = mine(tmp_path / "mine", classes=("car", "dog", "bus"), train=20, val=10)
    app = open_page(folder, data_view="Images", samples_class="bus", samples_with="dog")
    app = checked(app.multiselect(key="data classes").set_value(["car", "dog"]).run())
    assert app.selectbox(key="samples class").value == "(any)" and app.selectbox(key="samples with").value == "dog"
    expected = images_by_counting(on_disk(folder), other="dog", classes=("car", "dog"))
    assert sorted(shown_ids(app)) == expected


def test_pages_turn_and_hold_every_image_once_and_a_filter_begins_at_the_first(store, tmp_path):
    folder = mine(tmp_path / "mine", train=60, val=20)
    app = open_page(folder, data_view="Images")
    expected, pages, seen = images_by_counting(on_disk(folder)), gallery(app)["pages"], []
    assert (pages, gallery(app)["total"]) == (3, len(expected))
    for page in range(1, pages + 1):
        app.session_state["samples page"] = page
        seen += shown_ids(checked(app.run()))
    assert sorted(seen) == expected
    assert gallery(app)["page"] == 3
    app.session_state["samples class"] = "dog"
    assert gallery(checked(app.run()))["page"] == 1


def test_shuffle_changes_the_order_and_nothing_else_does(store, tmp_path):
    folder = mine(tmp_path / "mine", train=12, val=11)
    app = open_page(folder, data_view="Images")
    first = shown_ids(app)
    assert shown_ids(checked(app.run())) == first == shown_ids(open_page(folder, data_view="Images"))
    app = checked(app.button(key="shuffle").click().run())
    assert sorted(shown_ids(app)) == sorted(first) and shown_ids(app) != first
    app.session_state["samples shuffle"] = 0
    assert shown_ids(checked(app.run())) == first
