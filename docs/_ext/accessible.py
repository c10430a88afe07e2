"""Headings that say their level: Sphinx gives captions of the navigation the role of a heading, and none."""

from typing import Any

from sphinx.application import Sphinx

_CAPTION, _LEVEL = 'role="heading">', 'role="heading" aria-level="2">'


def _levels(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    for part in ("body", "furo_navigation_tree"):
        if isinstance(text := context.get(part), str):
            context[part] = text.replace(_CAPTION, _LEVEL)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", _levels, priority=900)  # behind the theme's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}
