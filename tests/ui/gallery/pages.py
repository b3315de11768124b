"""Pages of the gallery as data, made of a run's table."""

from core.evaluation.selection import Selection
from core.evaluation.table import read_table
from tests.ui.gallery.columns import by_image
from ui.gallery import component as gallery
from ui.gallery import paging
from ui.gallery.component import Item, Model
from ui.server import cache

PLAIN = Selection(0.5)
SOURCE = "/api/image/20261123-1"


def page_maker(finished, store):
    """Makes a page's data of the run's baseline: page(selection, number), with what `page_data` takes besides."""
    table, images = read_table(store.table_path(finished.id, 0)), cache.validation_images(finished)
    everything = [Item(image_id) for image_id in images.image_by_id]

    def make(selection=PLAIN, number=1, items=everything, per=paging.PER_PAGE, models=None, **more):
        models = models or [Model("Best", table)]
        return gallery.page_data(images, SOURCE, items, number, per, models, selection, **more)

    make.table, make.images, make.items = table, images, everything
    return make


def boxes_of(model: dict) -> list[dict]:
    return [box for kind in ("truths", "predictions") for boxes in by_image(model[kind]) for box in boxes]
