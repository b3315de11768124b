"""Text from files and users is text: what Streamlit takes for Markdown is ours, a number or `plain`; read in the code.

An argument that Streamlit reads as Markdown must be one of these, or be put together from them:

    a constant           "Train", TABS[name]: of a name in capital letters
    part of an address   quote(…)
    a number             {n:,} in an f-string: with a format
    plain(…)             or any function of ui/ and pages/ that says that it returns `Markup`; Markup(…) of such text
    a name               that holds nothing but such text wherever its function gives it a value
"""

import ast
import inspect
import re
from pathlib import Path

import pytest
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

ROOT = Path(__file__).resolve().parent.parent
LABELLED = ("label", "help")
# what Streamlit reads as Markdown; `test_every_argument_is_known` compares it with what Streamlit says of itself
MARKDOWN = {
    **dict.fromkeys(("error", "info", "success", "warning"), ("body", "title")),
    **dict.fromkeys(("caption", "header", "markdown", "subheader", "title"), ("body", "help")),
    **dict.fromkeys(
        ("audio_input", "badge", "button", "camera_input", "checkbox", "color_picker", "date_input", "datetime_input",
         "download_button", "file_uploader", "form_submit_button", "link_button", "multiselect", "number_input",
         "page_link", "popover", "selectbox", "slider", "text_area", "text_input", "time_input", "toggle"),
        LABELLED,
    ),
    **dict.fromkeys(("pills", "segmented_control"), (*LABELLED, "options", "format_func")),
    "radio": (*LABELLED, "options", "format_func", "captions"), "select_slider": (*LABELLED, "options", "format_func"),
    "menu_button": (*LABELLED, "options"), "metric": (*LABELLED, "value", "delta"), "tabs": ("tabs",),
    "expander": ("label",), "status": ("label",), "spinner": ("text",), "progress": ("text",), "toast": ("body",),
    "image": ("caption",), "latex": ("body", "help"), "text": ("help",), "dialog": ("title",),
    "Page": ("title", "help"),
    "table": ("data",), "write": ("args",), "html": ("body",),
}  # fmt: skip
COLUMNS = re.compile(r"^[A-Z]\w*Column$")  # of st.column_config
TEXTS = {argument for arguments in MARKDOWN.values() for argument in arguments}
NUMBER = re.compile(r"[,+]?(\.\d)?[dfgeF%]?$|localized$")
LIBRARY = sorted([*ROOT.glob("pages/*.py"), *ROOT.glob("ui/**/*.py")])
TREES = {path: ast.parse(path.read_text()) for path in LIBRARY}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MARKUP = {
    node.name for tree in TREES.values() for node in ast.walk(tree)
    if isinstance(node, FUNCTIONS) and node.returns and ast.unparse(node.returns) == "Markup"
}  # fmt: skip


class Reader:
    """Tells which expressions of a scope – a function with those around it, or a file – are safe."""

    def __init__(self, scopes: list[ast.AST]) -> None:
        self.scopes, self.asked = scopes, set()

    def is_safe(self, node: ast.AST | None) -> bool:
        match node:
            case None | ast.Constant():
                return True
            case ast.JoinedStr():
                return all(self.is_safe(part) for part in node.values)
            case ast.FormattedValue():
                form = "".join(p.value for p in node.format_spec.values) if node.format_spec else ""
                return bool(form and NUMBER.match(form)) or (node.conversion == -1 and self.is_safe(node.value))
            case ast.Call(func=ast.Name(id="len" | "round" | "quote")):
                return True
            case ast.Call(func=ast.Name(id="Markup" | "list" | "tuple"), args=[argument]):
                return self.is_safe(argument)
            case ast.Call(func=ast.Attribute(value=separator, attr="join"), args=[parts]):
                return self.is_safe(separator) and self.is_safe(parts)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in MARKUP:
                return True
            case ast.Call(func=ast.Attribute(attr="values" | "keys", value=value)):
                return self.is_safe(value)
            case ast.IfExp():
                return self.is_safe(node.body) and self.is_safe(node.orelse)
            case ast.BoolOp():
                return all(self.is_safe(value) for value in node.values)
            case ast.BinOp(op=ast.Add()):
                return self.is_safe(node.left) and self.is_safe(node.right)
            case ast.BinOp(op=ast.Mult()):
                return self.is_safe(node.left)  # a text, so many times
            case ast.List() | ast.Tuple():
                return all(self.is_safe(part) for part in node.elts)
            case ast.Starred():
                return self.is_safe(node.value)
            case ast.ListComp() | ast.GeneratorExp():
                return self.is_safe(node.elt)
            case ast.Lambda():
                return self.is_safe(node.body)
            case ast.Subscript() if not is_constant(node):
                return self.is_safe(node.value)
            case ast.Attribute() | ast.Subscript():
                return is_constant(node)
            case ast.Dict():  # of **options: none of them is a text
                return all(isinstance(key, ast.Constant) and key.value not in TEXTS for key in node.keys)
            case ast.Name():
                return node.id in MARKUP or is_constant(node) or self.holds_safe_text(node.id)
        return False

    def holds_safe_text(self, name: str) -> bool:
        if name in self.asked:
            return True  # decided by the other values
        self.asked.add(name)
        for scope in self.scopes:
            values = list(values_of(scope, name))
            if values:
                return all(self.is_safe(value) for value in values)
        return False


def is_constant(node: ast.AST) -> bool:
    """`TABS`, `TABS[name]`, `module.TABS`, `TABS.__getitem__`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute) and node.attr.isupper():
            return True
        node = node.value
    return isinstance(node, ast.Name) and node.id.isupper() and len(node.id) > 1


def values_of(scope: ast.AST, name: str):
    """What the name is given in this scope; something unsafe where that cannot be read."""
    if isinstance(scope, FUNCTIONS):
        arguments = scope.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.arg == name:
                is_markup = argument.annotation and "Markup" in ast.unparse(argument.annotation)
                yield ast.Constant("") if is_markup else ast.Set([])
    for node in nodes_of(scope):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        yield value
                    elif is_named(target, name):
                        yield from unpacked(target, value, name)
            case ast.AnnAssign(target=ast.Name(id=given), value=value) if given == name:
                yield value
            case ast.AugAssign(target=ast.Name(id=given), value=value) if given == name:
                yield value
            case ast.NamedExpr(target=ast.Name(id=given), value=value) if given == name:
                yield value
            case ast.For(target=target, iter=parts) | ast.comprehension(target=target, iter=parts) if is_named(
                target, name
            ):
                yield parts if isinstance(target, ast.Name) else ast.Set([])
            case ast.withitem(optional_vars=ast.expr() as target) if is_named(target, name):
                yield ast.Set([])
            case ast.ExceptHandler(name=given) if given == name:
                yield ast.Set([])


def unpacked(target: ast.expr, value: ast.expr, name: str):
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from (v for t, v in zip(target.elts, value.elts, strict=True) if is_named(t, name))
    else:
        yield ast.Set([])


def is_named(target: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(target))


def nodes_of(scope: ast.AST):
    """The nodes of a scope without those of functions in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node
            yield from nodes_of(node)


def scopes_of(tree: ast.Module):
    """Every function of a file, and the file itself, each with the scopes around it, the inmost first."""

    def visit(node, around):
        here = [node, *around] if isinstance(node, (ast.Module, *FUNCTIONS)) else around
        if here is not around:
            yield here
        for child in ast.iter_child_nodes(node):
            yield from visit(child, here)

    return visit(tree, [])


def markdown_of(call: ast.Call) -> list[ast.expr]:
    """The arguments of a call that Streamlit reads as Markdown."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if COLUMNS.match(name):
        return [keyword.value for keyword in call.keywords if keyword.arg == "help"]
    if name not in MARKDOWN or (name == "title" and not call.args):
        return []
    order = [p for p in inspect.signature(getattr(st, name)).parameters if p != "self"]
    by_place = [a for place, a in enumerate(call.args) if order[min(place, len(order) - 1)] in MARKDOWN[name]]
    named = {keyword.arg for keyword in call.keywords}
    if "format_func" in named:  # the options are shown as it writes them
        by_place = by_place[:1]
    return by_place + [
        keyword.value for keyword in call.keywords if keyword.arg in (*MARKDOWN[name], None)
    ]  # None: **options


def foreign_texts(tree: ast.Module) -> list[str]:
    """Each text that Streamlit would read as Markdown and that is not safe, and each unsafe function of `Markup`."""
    unsafe = []
    for scopes in scopes_of(tree):
        for node in nodes_of(scopes[0]):
            if isinstance(node, ast.Call):
                texts = markdown_of(node)
                texts += [k.value for k in node.keywords if k.arg == "unsafe_allow_html"] and [ast.Set([])]
                if isinstance(node.func, ast.Name) and node.func.id == "Markup":
                    texts = node.args
            elif isinstance(node, ast.Return) and getattr(scopes[0], "name", None) in MARKUP:
                texts = [node.value]
            else:
                continue
            unsafe += [
                f"{node.lineno}: {ast.unparse(node)[:200]}" for text in texts if not Reader(scopes).is_safe(text)
            ]
    return unsafe


def test_foreign_text_is_shown_as_text():
    unsafe = {str(path.relative_to(ROOT)): foreign_texts(tree) for path, tree in TREES.items()}
    del unsafe["ui/text.py"]  # where `plain` is
    assert len(unsafe) > 60 and {name: calls for name, calls in unsafe.items() if calls} == {}


@pytest.mark.parametrize(
    "code",
    [
        "st.error(str(error))", "st.error(f'{error}')", "st.error(error)", "st.error(f'{error!r}')",
        "st.warning(plain(a) + b)", "st.markdown(f'**{run.name}**')", "place.caption(sentence)",
        "left.button('a', help=run.name)", "st.radio('a', options)", "st.button(**{'help': name})",
        "for a, text in b:\n    st.caption(text)",
        "st.radio('a', KINDS, format_func=name_of)",
        "st.tabs([f'{n}'])", "st.markdown(plain(a), unsafe_allow_html=True)", "st.toast('Kept ' + name)",
        "st.progress(0.5, text)", "bar.progress(0.5, f'{name} …')", "st.button(**options)",
        "st.column_config.TextColumn(help=setting.help)", "text = plain(a)\ntext = b\nst.caption(text)",
        "for text in texts:\n    st.caption(text)", "def f(text):\n    st.caption(text)",
        "def f():\n    return Markup(name)", "st.caption(f'{name:>20}')", "st.caption(', '.join(names))",
        "def f():\n    text = plain(a)\ndef g():\n    st.caption(text)", "st.html(f'<p>{n:,}</p>' + name)",
        "text = plain(a)\ntext += b\nst.caption(text)", "a, text = both()\nst.caption(text)",
    ],
)  # fmt: skip
def test_foreign_text_is_seen(code):
    assert len(foreign_texts(ast.parse(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "st.error(plain(error))", "st.caption('a *b*')", "st.caption(f'{n:,} of {n / 2:.1f}: {plain(name)}')",
        "st.selectbox('a', names, format_func=name_of)", "st.tabs(list(TABS.values()))", "st.caption(TABS[name].help)",
        "st.caption(', '.join(plain(name) for name in names) + '.' * (n > 1))", "name.title()",
        "text = plain(a) if a else ''\nif b:\n    text = 'b'\nst.caption(text)", "st.dataframe(rows)",
        "def f(text: Markup):\n    st.caption(text)", "st.radio('a', KINDS, format_func=lambda kind: plain(kind))",
        "text = 'b'\ndef f():\n    st.caption(text)", "def f():\n    return Markup(f'**{plain(a)}**')",
        "st.caption(f'{len(names)} names')", "first, text = a, plain(b)\nst.caption(text)",
    ],
)  # fmt: skip
def test_what_is_safe_is_left_alone(code):
    assert foreign_texts(ast.parse(code)) == []


def test_every_argument_that_streamlit_reads_as_markdown_is_known():
    elsewhere = {("data_editor", "alt"), ("table", "alt"), ("logo", "icon_image"), ("set_page_config", "page_icon")}
    elsewhere |= {("container", "autoscroll"), ("write_stream", "cursor"), ("chat_input", "height")}
    never = ("navigation", "write_stream")  # a text of many pieces; not used
    unknown = set()
    for name in {*dir(DeltaGenerator), *dir(st)} - {"secrets"}:
        thing = getattr(DeltaGenerator, name, None) or getattr(st, name)
        if name.startswith("_") or not callable(thing) or name in never:
            continue
        parameter = None
        for line in (inspect.getdoc(thing) or "").splitlines():
            if heading := re.match(r"^\*?(\w+) : ", line):
                parameter = heading[1]
            says_so = re.search(r"GitHub-flavored Markdown|short Markdown|Markdown string", line, re.IGNORECASE)
            if parameter and says_so and parameter not in MARKDOWN.get(name, ()):
                unknown.add((name, parameter))
    assert unknown - elsewhere == set()
