"""Models of the Hugging Face hub: what may be a name there, the copy in the hub's cache, and the download.

In: a name, owner/model. Out: the folder of its copy. A copy that is complete is used without asking the network;
whether the hub can be reached at all is tried once, for a few seconds, before its own library tries again and again.
What is large is fetched by `fetch.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread

from core import ModelError
from core.detr.sources.config import CONFIG, WEIGHTS
from core.detr.sources.fetch import Fetch
from core.detr.sources.foreign import BECAUSE, PICKLED, conversion, is_model_file, quoted
from core.detr.sources.image_processor import PROCESSOR
from core.disk import is_disk_full
from core.files import read_bytes
from core.keep_result import KeepResult
from core.wording import COMMAND, short

DOWNLOADS = Path("checkpoints")  # its copies of hub models lie in checkpoints/<owner>/<name>
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[0-9A-Za-z]{1,64}")
CHECKPOINT = re.compile(r"/checkpoint-\d+$")  # as transformers' Trainer names its folders
PATIENCE_SECONDS = 3.0  # for the hub's first answer, name look-up and proxy included
PATIENCE_VARIABLE = "HF_HUB_ETAG_TIMEOUT"  # by which users of a slow network give the hub more
TICK_SECONDS = 0.25  # between two looks at a download
MOST_REVISION = 200  # bytes of the file that names a copy's revision


def is_hub_name(spec: str) -> bool:
    r"""Check whether a model on the hub could have this name; that of a file, or of a training's checkpoint, is a path.

    >>> [is_hub_name(name) for name in ("facebook/detr-resnet-50", "runs/x/best", "./model", "a/best.pt", "C:\\model")]
    [True, False, False, False, False]
    """
    return HUB_NAME.fullmatch(spec) is not None and not CHECKPOINT.search(spec) and not is_model_file(spec)


def download_folder(spec: str) -> Path:
    """Return the folder in which a downloaded copy of a hub model is looked for, from where DETR Lab is run."""
    return DOWNLOADS / spec


def cache_folder() -> Path:
    """Return the folder of the hub's cache, into which models are downloaded: HF_HOME, HF_HUB_CACHE or the default."""
    from huggingface_hub import constants  # without the library's client, which takes ten times as long

    return Path(constants.HF_HUB_CACHE)


def cached_file(name: str, file: str) -> Path | None:
    """Return a file of a model that was downloaded from the hub before; None if it was not.

    Where the hub's own library would look, without loading it: a page asks for each model that it lists.
    """
    copy = cache_folder() / f"models--{name.replace('/', '--')}"
    try:
        revision = read_bytes(copy / "refs/main", MOST_REVISION).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = copy / "snapshots" / revision / file
    return path if REVISION.fullmatch(revision) and path.is_file() else None


def is_here(name: str, base: Path = Path()) -> bool:
    """Check whether a model of the hub, settings and weights, is in its cache, or in checkpoints/ of `base`."""
    folder = base / download_folder(name)
    if all(os.path.isfile(folder / file) for file in (CONFIG, WEIGHTS)):
        return True
    return all(cached_file(name, file) for file in (CONFIG, WEIGHTS))


def download(name: str, check: Callable[[Path], object]) -> Path:
    """Return the folder of a hub's model, as `downloading` does, once all of it is there."""
    work = KeepResult(downloading(name, check))
    for _ in work:
        pass
    return work.result


def downloading(name: str, check: Callable[[Path], object]) -> Generator[str, None, Path]:
    """Download a hub's model into the hub's cache, its weights and what describes them; return their folder.

    These are config.json, model.safetensors and, if there is one, preprocessor_config.json. Yields how far it is, in
    words, a few times a second; whoever stops iterating stops it, and the next call goes on with what is there. A copy
    that has settings and weights is taken as it is, without asking the hub. `check` is given the folder with
    config.json before what is large is fetched, and may raise. Raises ModelError if the hub does not give them, within
    PATIENCE_SECONDS if it cannot be reached; OSError if the disk is full.
    """
    config, weights = cached_file(name, CONFIG), cached_file(name, WEIGHTS)
    if config and weights:
        return weights.parent
    fetch, folder = Fetch(), Future[Path]()

    def work() -> None:
        try:
            folder.set_result(_download(name, check, fetch))
        except BaseException as error:
            folder.set_exception(error)

    # in a thread of its own, because neither a look-up nor a server that says nothing can be broken off
    Thread(target=work, daemon=True).start()
    try:
        while not folder.done():
            yield fetch.words(name)
            with suppress(TimeoutError):
                folder.exception(TICK_SECONDS)
    finally:
        fetch.stop.set()
    return folder.result()


def _download(name: str, check: Callable[[Path], object], fetch: Fetch) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    _reach(name)
    try:
        folder = Path(hf_hub_download(name, CONFIG)).parent
        check(folder)
        with suppress(EntryNotFoundError):
            hf_hub_download(name, PROCESSOR)
        fetch.into_cache(name, WEIGHTS, storage=folder.parent.parent)
        return folder if fetch.stop.is_set() else Path(hf_hub_download(name, WEIGHTS)).parent
    except ModelError:
        raise
    except Exception as error:  # whatever a network raises
        if is_disk_full(error):
            raise
        raise _refusal(name, error) from error


def _reach(name: str) -> None:
    """Raise ModelError if the hub gives no answer at all in time; the answer itself is not looked at.

    In a thread of its own, because a look-up of the hub's address cannot be broken off.
    """
    from huggingface_hub import constants, get_session, hf_hub_url

    if constants.is_offline_mode():
        raise _unreached(name, "is not asked, as HF_HUB_OFFLINE says")
    patience = PATIENCE_SECONDS
    with suppress(ValueError):
        patience = float(os.environ.get(PATIENCE_VARIABLE, patience))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            get_session().head(hf_hub_url(name, CONFIG), timeout=patience, follow_redirects=False)
        except Exception as error:  # whatever a network raises
            failures.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    if asking.is_alive():
        raise _unreached(name, f"gave no answer within {patience:g} seconds")
    if failures:
        raise _unreached(name, "cannot be reached") from failures[0]


def _unreached(name: str, reason: str) -> ModelError:
    return ModelError(
        f"The model {short(name, 60)} is not on this machine, and the Hugging Face hub {reason}: check the network, "
        f"or put a downloaded copy into {short(download_folder(name), 80)}/."
    )


def _refusal(name: str, error: Exception) -> ModelError:
    """Return the error for a model that the hub, which answers, does not give."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    title, folder = short(name, 60), download_folder(name)
    if isinstance(error, GatedRepoError):
        return ModelError(
            f"The model {title} needs a permission: ask for it on its page on the hub, then run hf auth login."
        )
    if isinstance(error, RepositoryNotFoundError):
        return ModelError(
            f"There is no model {title} on the Hugging Face hub, or it is private: check the name, or run hf auth "
            "login."
        )
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        if not _has_pickle(name):
            return ModelError(
                f"The model {title} on the Hugging Face hub has no {CONFIG} and {WEIGHTS}, as transformers' "
                "save_pretrained writes them: take another one."
            )
        return ModelError(
            f"The model {title} on the Hugging Face hub has only {PICKLED}, {BECAUSE}: if you trust it, run these two "
            f"lines:{COMMAND}hf download {name} --local-dir {quoted(folder)}{COMMAND}{conversion(folder)}"
        )
    return ModelError(
        f"The model {title} is not on this machine and the Hugging Face hub did not give it: check the "
        f"name and the network, or put a downloaded copy into {short(folder, 80)}/."
    )


def _has_pickle(name: str) -> bool:
    """Ask the hub whether a model has pickled weights, which are not fetched."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        get_hf_file_metadata(hf_hub_url(name, PICKLED))
    except Exception:  # whatever the hub or the network say
        return False
    return True
