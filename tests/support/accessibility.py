"""What axe finds on a page that keeps somebody from using it."""

import json
from pathlib import Path

import axe_core_python
from headless_browser import Page

_AXE = Path(axe_core_python.__file__).parent


def faults(page: Page, *, without: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """Serious and critical violations on the open page: their kind, how many there are, and the first of them.

    Parts of the page that are selected by ``without`` are somebody else's, and left out.
    """
    (script,) = _AXE.rglob("axe.min.js")
    page.evaluate(script.read_text(encoding="utf-8") + "; 0")
    scope = json.dumps({"exclude": [[one] for one in without]})
    told = page.evaluate(f"axe.run({scope}).then((found) => JSON.stringify(found.violations))")
    return [
        (one["id"], str(len(one["nodes"])), one["nodes"][0]["html"][:200])
        for one in json.loads(told)
        if one["impact"] in ("serious", "critical")
    ]
