"""The components' scripts: ES modules that a browser imports over HTTP, as they lie in the project, without a build.

    /api/js/{version}/{path}    a script; its path is that in the project, so that relative imports lead to scripts

Streamlit loads a component's `js` from a blob, from which nothing relative can be imported: it gets `loader`, a few
lines that import the component's module from here. All scripts are read when the server starts, and the version is a
hash of them all: a browser may keep what it has, and never mixes two versions. What was not read then is not served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response

from core import PROJECT
from ui.server.guard import refused
from ui.server.thumbnails import IMMUTABLE

LOADER = """// Loads the component's module, whose imports could not be resolved from this text.
const address = new URL("%s", location.origin).href
const newest = new WeakMap() // by the component's place: the session and the number of the last data that came there
export default async (component) => {
  let loaded
  try {
    loaded = await import(address)
  } catch (cause) {
    throw new Error("A part of the page did not load. Is the app still running? Then reload the page.", { cause })
  }
  // of two imports that wait for the same module the later may be through first: what is older then comes too late
  const place = component.parentElement, last = newest.get(place), [data, session, number] = component.data
  if (last?.session === session && last.number > number) return
  newest.set(place, { session, number })
  return loaded.default({ ...component, data })
}
"""
SHOWN = "what components show"


def _read(paths: list[Path]) -> dict[str, bytes]:
    return {path.relative_to(PROJECT).as_posix(): path.read_bytes() for path in paths}


SCRIPTS = _read([PROJECT / "core/charts/draw.js", *sorted((PROJECT / "ui").rglob("*.js"))])
VERSION = hashlib.sha256(repr(sorted(SCRIPTS.items())).encode()).hexdigest()[:16]


def address(path: str) -> str:
    """Return the address of a script, as "/api/js/0123456789abcdef/ui/gallery/gallery.js".

    Raises KeyError for what is none.
    """
    if path not in SCRIPTS:
        raise KeyError(path)
    return f"/api/js/{VERSION}/{path}"


def component(name: str, path: str, **parts: Any) -> Callable[..., Any]:
    """Return a component whose module is the script at `path`; `parts` are its `html` and the like.

    It is mounted as Streamlit's own are, with a `key`, its `data` and callbacks.
    """
    mount = st.components.v2.component(name, js=loader(path), **parts)
    # In a list: a dict's values would be looked through for tables, for which Streamlit imports pandas, half a second
    # of the first page with a component
    return lambda data, key, **options: mount(data=[data, *_number(key, data)], key=key, **options)


def _number(key: str, data: Any) -> tuple[str, int]:
    """Return a name of the session, and how often what it shows at a key has changed: the same data stays the same."""
    session, shown = st.session_state.setdefault(SHOWN, (token_hex(4), {}))
    before, number = shown.get(key, (None, 0))
    if before != data:
        number += 1
        shown[key] = data, number
    return session, number


def loader(path: str) -> str:
    """Return the `js` of a component whose module is the script at `path`."""
    return LOADER % address(path)


def script(request: Request) -> Response:
    """Answer with a script of this version."""
    newest = import_module(__name__)  # a hot reload makes the module anew, but not the routes
    body = newest.SCRIPTS.get(request.path_params["path"])
    if body is None or request.path_params["version"] != newest.VERSION:
        return refused("There is no such script.")
    return Response(body, media_type="text/javascript", headers=IMMUTABLE)
