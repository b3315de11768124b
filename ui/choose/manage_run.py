"""What can be done with any run, trained or imported: a name, tags, notes, and its deletion, which can be undone.

In: a run, from the pages that show one. Out: the popover "Manage"; the list of deleted runs; and above every page what
was deleted last, with a button that brings it back, until another page is opened or the note is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core import LabError
from core.runs.bin import Bin, DeletedRun
from core.runs.deletion.folders import KEPT_DAYS
from core.runs.many.tags import MOST_TAGS, all_tags, change_tags
from core.runs.schema import Run
from core.runs.store import MOST_LETTERS
from core.wording import size_text, visible
from ui.choose import pickers
from ui.server import services
from ui.text import plain

DELETED, REFUSED = "deleted run", "refused change of a run"  # in the session


def show_manage(run: Run, prefix: str) -> None:
    """Show the popover with the run's name, its tags and notes, and the button that deletes it.

    prefix: of the widgets' keys, one for each place of a page.
    """
    # closed once another run is shown, so that a second click does not delete that one, too
    with st.popover("Manage", key=f"{prefix} manage {run.id}", icon=":material/edit_note:"):
        if not run.is_damaged:
            _show_field(run, "name", f"{prefix} name of {run.id}", run.name if run.name != run.id else "")
            _show_tags(run, f"{prefix} tags of {run.id}")
            _show_field(run, "notes", f"{prefix} notes of {run.id}", run.notes)
        st.button("Delete this run", key=f"{prefix} delete", icon=":material/delete:", disabled=run.is_live,
                  on_click=delete_runs, args=([run],),
                  help="Stop it first." if run.is_live else
                  f"Moves it into the bin, from which it can be brought back for {KEPT_DAYS} days.")  # fmt: skip


def _show_field(run: Run, field: str, key: str, value: str) -> None:
    if st.session_state.get(key) != value:  # renamed elsewhere; what is being typed stays
        st.session_state[key] = value
    if field == "name":
        st.text_input("Name", key=key, max_chars=MOST_LETTERS[field], placeholder=visible(pickers.run_name(run)),
                      on_change=_set_words, args=(run.id, field, key))  # fmt: skip
    else:
        st.text_area("Notes", key=key, max_chars=MOST_LETTERS[field], on_change=_set_words, args=(run.id, field, key),
                     placeholder="What was tried, and what came of it")  # fmt: skip


def _show_tags(run: Run, key: str) -> None:
    if st.session_state.get(key) != run.tags:  # changed elsewhere
        st.session_state[key] = list(run.tags)
    st.multiselect("Tags", all_tags(services.store().runs()), key=key, format_func=visible, accept_new_options=True,
                   max_selections=MOST_TAGS, on_change=_set_tags, args=(run, key),
                   placeholder="Choose, or type a new one")  # fmt: skip


def _set_tags(run: Run, key: str) -> None:
    tags = list(st.session_state[key])
    removed = [tag for tag in run.tags if tag not in tags]
    attempt(lambda: change_tags(services.store(), [run.id], tags, removed))


def show_bin() -> None:
    """Show the list of deleted runs behind a button; nothing while there is none."""
    deleted = Bin(services.store()).runs()
    if not deleted:
        return
    total = size_text(sum(one.size for one in deleted))
    with st.popover(f"Deleted · {len(deleted):d}", key="bin", icon=":material/delete_history:"):
        for one in deleted:
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", width=380
            ):
                st.caption(plain(f"{pickers.run_label(one.run)} · {size_text(one.size)}"), width="stretch")
                st.button("Bring back", key=f"restore {one.run.id}", icon=":material/undo:", on_click=_restore,
                          args=(one.run.id,))  # fmt: skip
        st.button(f"Empty the bin: free {plain(total)}", key="empty bin", icon=":material/delete_forever:",
                  on_click=_empty, args=(deleted,),
                  help="Removes these runs from the disk for good: they cannot be brought back.")  # fmt: skip


def show_note() -> None:
    """Say what was deleted last, with a button that brings it back; or why a change was refused."""
    if refusal := st.session_state.pop(REFUSED, None):
        st.error(plain(refusal), icon=":material/error:")
    if not (note := st.session_state.get(DELETED)):
        return
    run_ids, name, size = note
    words = (
        f"**{plain(name)}** is deleted. Its" if len(run_ids) == 1 else f"**{len(run_ids):d} runs** are deleted. Their"
    )
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(
            f"{words} {plain(size_text(size))} are freed in {KEPT_DAYS:d} days, "
            "or when you empty the bin on Train.", width="stretch",
        )  # fmt: skip
        st.button("Undo", key="undo delete", type="primary", icon=":material/undo:", on_click=_undo, args=(run_ids,))
        st.button("", key="close note", icon=":material/close:", type="tertiary", on_click=_forget, help="Close")


def attempt(action: Callable[[], object]) -> bool:
    """Do what a button asks for; return whether it was done, else keep the reason for `show_note`."""
    try:
        action()
    except LabError as error:
        st.session_state[REFUSED] = str(error)
        return False
    return True


def _set_words(run_id: str, field: str, key: str) -> None:
    text = st.session_state[key]
    attempt(lambda: services.store().set_words(run_id, **{field: text}))


def delete_runs(runs: Sequence[Run]) -> None:
    """Move runs into the bin; at the first that cannot be, those before it are there. A callback."""
    run_ids, size = [], 0

    def delete() -> None:
        nonlocal size
        for run in runs:
            size += Bin(services.store()).delete(run.id)
            run_ids.append(run.id)

    attempt(delete)
    if run_ids:
        st.session_state[DELETED] = (tuple(run_ids), pickers.run_name(runs[0]), size)


def _undo(run_ids: Sequence[str]) -> None:
    attempt(lambda: [Bin(services.store()).restore(run_id) for run_id in run_ids])
    _forget()


def _restore(run_id: str) -> None:
    if attempt(lambda: Bin(services.store()).restore(run_id)) and run_id in st.session_state.get(DELETED, [()])[0]:
        _forget()


def _empty(deleted: list[DeletedRun]) -> None:
    """Remove these runs, which the user has seen in the list; not one that another tab has deleted meanwhile."""
    attempt(lambda: Bin(services.store()).remove([one.run.id for one in deleted]))
    _forget()


def _forget() -> None:
    st.session_state.pop(DELETED, None)
