"""The user's pictures on Predict: uploader and camera, samples of the built-in data set, and what was refused.

In: what the widgets hold. Out: pictures in `services.uploads()`, under the secret key of the session.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import DataError
from core.datasets.decoding import MOST_FILE_BYTES
from core.files import read_bytes
from core.inference.own_pictures import ENDINGS, MEGAPIXELS
from ui.choose import built_in
from ui.gallery.paging import PER_PAGE
from ui.server import cache, services
from ui.server.uploads import MOST_BYTES, MOST_PICTURES
from ui.text import plain

# in the session
KEY, PAGE, REFUSED, TAKEN, ROUND, CAMERA = (
    f"predict {name}" for name in ("key", "page", "refused", "taken", "round", "camera")
)
ERRORS_SHOWN = 5  # refused pictures that are named
SAMPLES = 6  # pictures of the built-in data set
NewPicture = tuple[str, str, bytes | memoryview]  # id, file name, content


def session_key() -> str:
    """Return the key under which this session's pictures are kept."""
    return st.session_state.setdefault(KEY, services.uploads().new_key())


def pick_pictures() -> list[NewPicture]:
    """Show the uploader and, if it is switched on, the camera; return the pictures that were not taken yet."""
    turn = st.session_state.setdefault(ROUND, 0)  # new widgets, empty again, for the next pictures
    files = st.file_uploader(
        "Pictures", [*ENDINGS, ".heic", ".heif"], accept_multiple_files=True, key=f"predict files {turn}",
        help=f"At most {MOST_PICTURES} at a time, {MOST_BYTES / 1e9:g} GB in all, each of at most {MEGAPIXELS} "
             "megapixels. They stay on the machine that runs the app, and are deleted when it ends. Transparent parts "
             "become white.",
    )  # fmt: skip
    if st.toggle("Camera", key=CAMERA, persist_state="session", help="Of the computer that shows this page."):
        photo = st.camera_input("Take a picture", key=f"predict photo {turn}", label_visibility="collapsed")
        files = [*files, photo] if photo else files
    taken = st.session_state.setdefault(TAKEN, set())
    return [(file.file_id, file.name, file.getbuffer()) for file in files if file.file_id not in taken]


def take_pictures(key: str, new: Sequence[NewPicture]) -> None:
    """Keep the pictures, or the sentences on why not, and run the page again where the first new one is shown."""
    uploads, first = services.uploads(), len(services.uploads().of(key))
    refused: list[str] = []
    st.session_state[REFUSED] = refused
    bar = st.progress(0.0)
    for done, (file_id, name, data) in enumerate(new):
        bar.progress(done / len(new), f"Reading {plain(name)}")
        st.session_state[TAKEN].add(file_id)
        try:
            uploads.add(key, name, data)
        except DataError as error:
            refused.append(str(error))
    st.session_state[ROUND] += 1
    st.session_state[PAGE] = first // PER_PAGE + 1
    st.rerun()


def sample_pictures() -> list[NewPicture]:
    """Return validation pictures of the built-in data set, which is drawn if it is not there."""
    if problem := built_in.draw_built_in_data():
        st.error(plain(problem))
        st.stop()
    split = cache.images_of(built_in.built_in_folder(), "val")
    paths = [split.image_path(image) for image in split.images[:SAMPLES]]
    return [(str(path), path.name, read_bytes(path, MOST_FILE_BYTES)) for path in paths]


def show_refused() -> None:
    """Show why pictures of the last upload were not taken."""
    refused = st.session_state.get(REFUSED, [])
    for sentence in refused[:ERRORS_SHOWN]:
        st.error(plain(sentence), icon=":material/broken_image:")
    if len(refused) > ERRORS_SHOWN:
        st.error(f"… and {len(refused) - ERRORS_SHOWN:,} more pictures could not be taken.")


def clear_pictures(key: str) -> None:
    """Delete all pictures of the session, and what was said of them."""
    services.uploads().forget(key)
    for name in (KEY, REFUSED):
        st.session_state.pop(name, None)
