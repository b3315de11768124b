"""The gallery as a component: one page of images, or of parts of images, with their boxes (`gallery.js`).

In: detection tables, and which images and boxes of them are shown. Out: callbacks. The browser gets the boxes of one
page with all scores that its slider reaches, so that slider, toggles and scrubber need no server; the pictures come
over HTTP, small and cached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from core.datasets.split import SIZES, CocoSplit
from core.evaluation.ordering import ObjectCrop
from core.evaluation.selection import Selection
from core.evaluation.table import ErrorType
from core.evaluation.tide import FOREGROUND
from ui.gallery.columns import class_names, columns_of, json_bytes
from ui.gallery.paging import page_count
from ui.server import scripts
from ui.server.guard import token

HERE = Path(__file__).parent
LAYOUTS = ("one", "beside", "over", "frames")
TYPES = list(ErrorType)
POINTING = (ErrorType.CLASSIFICATION, ErrorType.LOCALIZATION)  # to an object, which then is not missed
STYLES = ("gallery.css", "large/large.css", "why/why.css", "mend/mend.css")

_component = scripts.component(
    "gallery",
    "ui/gallery/gallery.js",
    html='<div class="gallery">\n</div>',
    css="\n".join((HERE / name).read_text(encoding="utf-8") for name in STYLES),
)


class Item(NamedTuple):
    """One cell of the gallery.

    crop  the part of the image that is shown (`xyxy`, whole pixels of the original image); None: all of it
    lit   the box that it is about, ("truth", annotation id) or ("query", query); None: all boxes
    """

    image_id: int
    crop: tuple[int, int, int, int] | None = None
    lit: tuple[str, int] | None = None


Items = Sequence[Item] | Sequence[ObjectCrop]


class Model(NamedTuple):
    """A model whose boxes are drawn.

    label  what users read
    table  its detection table, or all rows of the images that are shown
    why    the route that explains a box, "/api/why/RUN/MODEL"; None: nothing can
    boxes  the route of an image's boxes at every kept epoch, "/api/boxes/RUN"; None: none are kept
    epoch  after which the model was evaluated; None where that means nothing
    labels  the route that corrects labels, "/api/labels/RUN/MODEL"; None: they cannot be corrected here
    score  from which its predictions count; None: from the selection's
    """

    label: str
    table: pa.Table
    why: str | None = None
    boxes: str | None = None
    epoch: int | None = None
    labels: str | None = None
    score: float | None = None


def page_data(
    split: CocoSplit, source: str, items: Items, page: int, per_page: int, models: Sequence[Model],
    selection: Selection, layout: str = "one", frames: list[dict] | None = None, bare: bool = False,
    alike: str | None = None,
) -> dict:  # fmt: skip
    """Return what `show_page` sends to the browser for page `page` (from 1) of `items`.

    source   the route of the pictures, "/api/image/RUN", to which /IMAGE_ID is added
    layout   "one" model; two "beside" or "over" each other; or "frames": one model at a time, one for each of `frames`
    frames   for each model {"epoch", "AP", "loss_ce", "loss_bbox", …}, None where a value is unknown
    bare     there is no ground truth, and so neither correct boxes nor errors
    alike    why it is not known which boxes are alike; "": it is, None: nobody can ask
    """
    classes = class_names(models[0].table)
    first = (page - 1) * per_page
    shown = items[first : first + per_page]
    ids = [item.image_id for item in shown]
    return {
        "page": page, "pages": page_count(items, per_page), "first": first + 1, "total": len(items), "bare": bare,
        "layout": layout, "score": selection.score, "classes": classes, "sizes": SIZES,
        "missed": TYPES.index(ErrorType.MISSED),
        "types": [
            {"label": t.label, "description": t.description, "short": t.short, "points": t in POINTING} for t in TYPES
        ],
        "filter": {
            "classes": [classes.index(c) for c in selection.classes if c in classes],
            "sizes": [SIZES.index(s) for s in selection.sizes],
            "error": TYPES.index(ErrorType(selection.error)) if selection.error else None,
        },
        "models": [
            {
                "label": m.label, "why": m.why, "boxes": m.boxes, "epoch": m.epoch,
                "labels": m.labels, "every": _class_choices(split, m),
                "offset": 0.0 if m.score is None else m.score - selection.score,
            }
            | columns_of(m.table, ids, classes, selection)
            for m in models
        ],
        "frames": frames, "images": [_image(split, source, item) for item in shown], "selection": asdict(selection),
        "ahead": [_image(split, source, item) for item in items[first + per_page : first + 2 * per_page]],
        **({} if alike is None else {"alike": alike}),
    }  # fmt: skip


def _class_choices(split: CocoSplit, model: Model) -> list[str]:
    return sorted(category["name"] for category in split.categories) if model.labels else []


def _image(split: CocoSplit, source: str, item: Item | ObjectCrop) -> dict:
    image = split.image_by_id[item.image_id]
    return {
        "id": str(item.image_id), "source": f"{source}/{item.image_id}", "name": image["file_name"],
        "w": image["width"], "h": image["height"], "crop": item.crop, "lit": item.lit and _lit(*item.lit),
    }  # fmt: skip


def _lit(kind: str, number: int) -> tuple[str, int | str]:
    return kind, str(number) if kind == "truth" else number


def show_page(
    data: dict, key: str, on_turn: Callable[[], None], on_score: Callable[[], None] = lambda: None,
    on_mark: Callable[[], None] = lambda: None, marked: Collection[int] | None = None,
    on_mend: Callable[[], None] = lambda: None, on_alike: Callable[[], None] = lambda: None,
    iou: float = FOREGROUND, on_iou: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Show a page as `page_data` returns it; the browser draws it again only if it has changed.

    The callbacks read their value from st.session_state[key]: `turn` is -1 or 1 pages, `score` a new threshold, `mark`
    {"id", "on"}, `mend` how many labels were corrected in the large view, once it is closed, `alike` {"kind", "image",
    "number"}: the box like which others are asked for, `iou` from which IoU predictions find objects in the browser.

    marked: the ids of marked images; None where images cannot be marked. Ids go out, and come back, as text: the
    browser's numbers would round those beyond 2**53.
    """
    body = json_bytes(data)
    marked_here = (
        None if marked is None else sorted({image["id"] for image in data["images"]} & set(map(str, marked)), key=int)
    )
    _component(
        key=key,
        data={
            "signature": hashlib.sha256(body).hexdigest()[:16], "page": body.decode(), "marked": marked_here,
            "iou": iou, "token": token(),
        },
        on_turn_change=on_turn, on_score_change=on_score, on_mark_change=on_mark, on_mend_change=on_mend,
        on_alike_change=on_alike, on_iou_change=on_iou,
    )  # fmt: skip


def highest_score(table: pa.Table) -> float:
    """Return the highest score of all predictions; 0 if there is none."""
    return pc.max(table["score"]).as_py() or 0.0
