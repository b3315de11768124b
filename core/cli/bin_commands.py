"""The commands that change what a run is called and whether it is kept: rename, notes, tag, delete, restore and bin."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from core.cli.chosen_run import ANY, ENDED, chosen_run
from core.cli.command import RUN_HELP, Command, add_run, show, show_json
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import short, size_text

ENDING_SECONDS, POLL_SECONDS = 20.0, 0.2  # how long `delete` waits for the process of a run that has ended


def add_rename_options(parser: ArgumentParser) -> None:
    """Add the options of `rename`."""
    add_run(parser)
    parser.add_argument("name", metavar="NAME", help='the new name; "" takes the name away')


def rename(options: Namespace) -> None:
    """Give a run another name."""
    store = RunStore.default()
    run = store.set_words(chosen_run(store, options.run_id, ANY).id, name=options.name)
    show(f"{run.id} {short(run.name)}")
    show_json({"id": run.id, "name": run.name})


def add_notes_options(parser: ArgumentParser) -> None:
    """Add the options of `notes`."""
    add_run(parser)
    parser.add_argument("text", nargs="?", metavar="TEXT", help='the new notes, in place of the old; "" deletes them')


def notes(options: Namespace) -> None:
    """Print a run's notes, after changing them if a text is given."""
    store = RunStore.default()
    run = chosen_run(store, options.run_id, ANY)
    if options.text is not None:
        run = store.set_words(run.id, notes=options.text)
    show(*run.notes.split("\n"))
    show_json({"id": run.id, "name": run.name, "notes": run.notes})


def add_tag_options(parser: ArgumentParser) -> None:
    """Add the options of `tag`."""
    add_run(parser)
    parser.add_argument("tags", nargs="*", metavar="TAG", help="short words to add")
    parser.add_argument("--remove", nargs="+", default=[], metavar="TAG", help="tags to take away")


def tag(options: Namespace) -> None:
    """Add tags to a run, or take them away; print those that it has then, in a line each."""
    from core.runs.many.tags import change_tags

    store = RunStore.default()
    run = chosen_run(store, options.run_id, ANY)
    tags = change_tags(store, [run.id], options.tags, options.remove)[run.id]
    show(*tags)
    show_json({"id": run.id, "name": run.name, "tags": tags})


def add_delete_options(parser: ArgumentParser) -> None:
    """Add the options of `delete`."""
    parser.add_argument("run_ids", nargs="+", metavar="RUN", help=f"{RUN_HELP}; with --now, a deleted one too")
    parser.add_argument("--now", action="store_true", help="remove them from the disk at once: without a way back")


def delete(options: Namespace) -> None:
    """Move runs into the bin, or remove them for good; say how much disk that frees."""
    from core.runs.bin import Bin
    from core.runs.deletion.folders import KEPT_DAYS

    store = RunStore.default()
    runs = [_named(store, name, options.now) for name in options.run_ids]  # all are there before the first goes
    deleted = []
    for run in {run.id: run for run in runs}.values():
        size = Bin(store).size(run.id) if run.deleted is not None else _delete(store, run)
        if options.now:
            Bin(store).remove([run.id])
        deleted.append({"id": run.id, "name": run.name, "bytes": size, "is_removed": options.now})
        if options.now:
            show(f"{run.id} {short(run.name)}: removed, {size_text(size)} are free")
        else:
            show(f"{run.id} {short(run.name)}: deleted; {size_text(size)} will be free in {KEPT_DAYS} days, or with")
            show(f"  python -m core delete {run.id} --now", f"undo: python -m core restore {run.id}")
    show_json(deleted)


def _named(store: RunStore, name: str, may_be_deleted: bool) -> Run:
    """Return a run by what the user typed; a damaged one by its whole id, a deleted one if that is asked for."""
    from core.runs.bin import Bin

    if damaged := [run for run in store.runs() if run.id == name and run.is_damaged]:
        return damaged[0]
    deleted = [one.run for one in Bin(store).runs() if one.run.id == name]
    return deleted[0] if deleted and may_be_deleted else chosen_run(store, name, ENDED)


def _delete(store: RunStore, run: Run) -> int:
    from core.runs.bin import Bin, is_ending
    from core.runs.manager import close_dead_runs

    close_dead_runs(store)
    last = time.monotonic() + ENDING_SECONDS
    while not run.is_live and is_ending(run) and time.monotonic() < last:
        time.sleep(POLL_SECONDS)
    return Bin(store).delete(run.id)


def add_restore_options(parser: ArgumentParser) -> None:
    """Add the options of `restore`."""
    parser.add_argument("run_ids", nargs="+", metavar="RUN", help="a deleted run's id, its beginning, or: last")


def restore(options: Namespace) -> None:
    """Bring deleted runs back."""
    from core.runs.bin import Bin

    runs, restored = Bin(RunStore.default()), []
    for name in options.run_ids:
        run = runs.restore(name)
        show(f"{run.id} {short(run.name)}: {run.label.lower()}")
        restored.append({"id": run.id, "name": run.name, "status": run.status.value})
    show_json(restored)


def add_bin_options(parser: ArgumentParser) -> None:
    """Add the options of `bin`."""
    parser.add_argument("--empty", action="store_true", help="remove all of them from the disk: without a way back")


def show_bin(options: Namespace) -> None:
    """List the deleted runs, the one that was deleted last first; or remove them for good."""
    from core.runs.bin import Bin

    runs = Bin(RunStore.default())
    deleted = runs.runs()
    if options.empty:
        runs.remove([one.run.id for one in deleted])
    rows = [(one.run.id, one.run.name, one.run.deleted, one.size) for one in deleted]
    show_json([dict(zip(("id", "name", "deleted", "bytes"), row, strict=True)) for row in rows])
    total = size_text(sum(one.size for one in deleted))
    if options.empty or not deleted:
        show(f"{len(deleted)} removed, {total} are free" if deleted else "No run is deleted.")
        return
    show(f"{'id':<21}{'deleted':<18}{'size':>9}  name")
    for one in deleted:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.run.deleted or 0))
        show(f"{one.run.id:<21}{when:<18}{size_text(one.size):>9}  {short(one.run.name)}")
    show(f"{total} will be free with python -m core bin --empty")


COMMANDS = (
    Command("rename", "give a run another name", add_rename_options, rename, "one JSON object: id, name"),
    Command(
        "notes", "print a run's notes, or write them", add_notes_options, notes, "one JSON object: id, name and notes"
    ),
    Command(
        "tag", "add short words to a run, by which it is found again, or take them away", add_tag_options, tag,
        "one JSON object: id, name and tags",
    ),
    Command(
        "delete", "move runs into the bin, or with --now remove them for good", add_delete_options, delete,
        "a JSON list: id, name, bytes, is_removed",
    ),
    Command(
        "restore", "bring deleted runs back", add_restore_options, restore, "a JSON list: id, name, status"
    ),
    Command(
        "bin", "list the deleted runs, or with --empty remove them for good", add_bin_options, show_bin,
        "a JSON list: id, name, deleted (seconds), bytes",
    ),
)  # fmt: skip
