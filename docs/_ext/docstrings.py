"""Docstrings of attributes and properties are sentences: what stands before a colon in them is not a type."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext import napoleon


def _sections(app: Sphinx, what: Any, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what not in ("attribute", "data", "property"):
        napoleon._process_docstring(app, what, name, obj, options, lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.napoleon")
    for listener in list(app.events.listeners["autodoc-process-docstring"]):
        if listener.handler is napoleon._process_docstring:
            app.disconnect(listener.id)
    app.connect("autodoc-process-docstring", _sections)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
