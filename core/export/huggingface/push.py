"""The way of a model's folder to the Hugging Face hub, asked for by the user and with their token, and no other.

In: a folder that `folder.py` has written, and OWNER/NAME. Out: the address of the model's page. The token is the one
that huggingface_hub finds (HF_TOKEN, or hf auth login); it is neither kept nor shown. All files become one commit, so
that nobody sees half of a model; large ones go by the hub's plain HTTP interface, where what is sent can be counted.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from core import RunError
from core.detr.model_folder import LABEL_MAP_FILE
from core.detr.sources.hub import is_hub_name
from core.export.huggingface.folder import PICTURES
from core.files import open_file
from core.wording import short, size_text

if TYPE_CHECKING:  # half a second
    from huggingface_hub import HfApi

TICK_SECONDS = 0.25  # between two looks at an upload
OF_THE_HUB = (".gitattributes",)  # what a new repository has
MESSAGE = "Model and card, written by DETR Lab"

T = TypeVar("T")


def check_repository(name: str) -> None:
    """Raise RunError if no model on the hub could have this name."""
    if not is_hub_name(name):
        raise RunError(f"{short(name, 60)} is no name on the Hugging Face hub: give OWNER/NAME, as maria/street-detr.")


def push_folder(folder: Path, name: str, private: bool = False) -> Generator[str, None, str]:
    """Upload the folder's files as the model `name`; yield how far it is, in words; return the address of its page.

    private  whether others do not see a repository that is made for it; one that is there stays as it is

    A repository that holds another model is refused. Raises RunError if the hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token

    check_repository(name)
    if constants.is_offline_mode():
        raise RunError("The Hugging Face hub is not asked, as HF_HUB_OFFLINE says: unset it to upload.")
    if not (token := get_token()):
        raise RunError(
            "There is no token for the Hugging Face hub: run hf auth login with one that may write, or set HF_TOKEN."
        )
    api = HfApi(token=token)
    yield f"Looking at {name}"
    remote = yield from _in_thread(lambda: _repository(api, name, private), lambda: f"Looking at {name}", name)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    if LABEL_MAP_FILE not in remote and (others := [file for file in remote if file not in OF_THE_HUB]):
        raise RunError(
            f"{name} is on the hub already and holds what DETR Lab has not written, as {short(others[0], 60)}: "
            "choose another name."
        )
    gone = [file for file in remote if file.startswith(f"{PICTURES}/") and file not in names]
    with ExitStack() as stack:
        files = [stack.enter_context(_Counted(path)) for path in paths]
        additions = [CommitOperationAdd(file, content) for file, content in zip(names, files, strict=True)]
        large = [file for file in files if file.size > 1_000_000]
        for file in files:
            file.sent = 0
        deletions = [CommitOperationDelete(file, is_folder=False) for file in gone]

        def commit() -> str:
            with _unreported():
                return str(api.create_commit(name, [*additions, *deletions], commit_message=MESSAGE).commit_url)

        def words() -> str:
            return f"Uploading {size_text(sum(f.sent for f in large))} of {size_text(sum(f.size for f in large))}"

        yield from _in_thread(commit, words, name)
    return f"{api.endpoint}/{name}"


class _Counted(io.BufferedReader):
    """A file that is read from its beginning, and how much of it has been."""

    def __init__(self, path: Path) -> None:
        super().__init__(open_file(path).detach())
        self.size = path.stat().st_size
        self.sent = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes."""
        data = super().read(size)
        self.sent = min(self.sent + len(data), self.size)
        return data


def _repository(api: HfApi, name: str, private: bool) -> Sequence[str]:
    """Return the files of the repository, which is made if it is not there."""
    api.create_repo(name, private=private or None, exist_ok=True)
    return api.list_repo_files(name)


@contextmanager
def _unreported() -> Iterator[None]:
    """Keep back huggingface_hub's own bars, and that it sends our files by HTTP, not by its newer protocol."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub._commit_api")
    logger.addFilter(refuse := lambda record: False)
    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        logger.removeFilter(refuse)
        if had_bars:
            enable_progress_bars()


def _in_thread(work: Callable[[], T], words: Callable[[], str], name: str) -> Generator[str, None, T]:
    """Do the work in a thread of its own, as an answer that does not come cannot be broken off; yield `words()`."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    while not future.done():
        yield words()
        with suppress(TimeoutError):
            future.exception(TICK_SECONDS)
    try:
        return future.result()
    except RunError:
        raise
    except Exception as error:  # whatever a network and a hub raise
        raise _refusal(name, error) from error


def _refusal(name: str, error: BaseException) -> RunError:
    """Return the error for an upload that failed, without what the library says of requests and their headers."""
    cause: BaseException | None = error
    while cause is not None and getattr(cause, "response", None) is None:
        cause = cause.__cause__
    if cause is None:
        return RunError(
            f"{name} was not uploaded, as the Hugging Face hub cannot be reached ({type(error).__name__}): check the "
            "network and try again; nothing of it is on the hub."
        )
    status, told = cause.response.status_code, short(getattr(cause, "server_message", None) or "", 200)  # type: ignore[attr-defined]
    reasons = {
        401: "the hub does not take the token: log in again with hf auth login, or set HF_TOKEN",
        403: "the token may not write there: take one with the permission to write, and a name that is yours",
        404: "the hub knows no such owner, or the token may not see it: check OWNER and the token",
        429: "the hub was asked too often: try again later",
    }
    reason = reasons.get(status, "try again later" if status >= 500 else "see what it says of the files")
    quoted = f", which says “{told}”" if told else ""
    return RunError(f"{name} was not uploaded (HTTP {status}{quoted}): {reason}.")
