import threading

from streamlit.testing.v1 import AppTest

from core.datasets.demo import is_complete
from ui.choose import built_in
from ui.choose.pickers import relative_to_root
from ui.server import cache
from ui.server.background import Task


def tab():
    import streamlit as st

    from ui.choose import built_in

    st.write(f"[{built_in.draw_built_in_data()}]")


def test_two_tabs_draw_the_built_in_data_once(store, monkeypatch, drawn):
    (store.data_dir / "street").rename(store.data_dir / "away")
    drawings, both_here = [], threading.Event()

    def draw(one, data_dir):
        drawings.append(data_dir / one.folder)
        yield 0, 1
        both_here.wait(20)
        (store.data_dir / "away").rename(data_dir / one.folder)
        yield 1, 1

    monkeypatch.setattr(built_in, "draw_built_in", draw)
    original = Task.progress
    waiting = []

    def progress(task):
        waiting.append(task)
        if len(waiting) == 2:
            both_here.set()
        return original(task)

    monkeypatch.setattr(Task, "progress", progress)
    apps = [AppTest.from_function(tab, default_timeout=30) for _ in range(2)]
    threads = [threading.Thread(target=app.run) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [app.markdown[0].value for app in apps] == ["[]", "[]"]
    assert len(drawings) == 1
    assert is_complete(store.data_dir / "street")


def test_a_data_set_that_is_there_is_not_drawn_again(store, monkeypatch):
    monkeypatch.setattr(built_in, "draw_built_in", lambda *_: 1 / 0)
    app = AppTest.from_function(tab).run()
    assert app.markdown[0].value == "[]" and not app.exception


def test_a_drawing_that_failed_is_tried_again(store, monkeypatch):
    (store.data_dir / "street").rename(store.data_dir / "away")

    def draw(*_):
        yield 0, 1
        raise OSError("No space left on device")

    monkeypatch.setattr(built_in, "draw_built_in", draw)
    app = AppTest.from_function(tab).run()
    assert "could not be drawn" in app.markdown[0].value and "No space left" in app.markdown[0].value

    def draw_well(one, data_dir):
        (store.data_dir / "away").rename(data_dir / one.folder)
        yield 1, 1

    monkeypatch.setattr(built_in, "draw_built_in", draw_well)
    assert app.run().markdown[0].value == "[]"


def test_a_built_in_data_set_is_known_before_it_is_drawn_also_where_a_link_leads_to_it(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path / "link"))
    for one in built_in.BUILT_IN:
        folder = built_in.built_in_folder(one)
        assert "disk" in relative_to_root(folder) and not folder.exists()
        assert built_in.built_in_at(folder) == built_in.built_in_at(relative_to_root(folder)) == one
    assert built_in.built_in_at(folder.parent / "mine") is None


def test_a_split_is_read_again_when_its_file_has_changed(store):
    before = cache.images_of(store.data_dir / "street", "val")
    assert cache.images_of(store.data_dir / "street", "val") is before
    annotations = store.data_dir / "street/annotations/instances_val.json"
    annotations.write_text(annotations.read_text().replace('"car"', '"carriage"'))
    after = cache.images_of(store.data_dir / "street", "val")
    assert "carriage" in {c["name"] for c in after.categories}
