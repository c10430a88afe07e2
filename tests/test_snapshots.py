"""Nothing that others rely on changes by accident: public names and parameters, and the entries of files.

Where a change is meant, ``make snapshots`` writes the files anew, and CHANGELOG.md says it. What earlier releases wrote
must be read all the same, see ``tests/written``.
"""

import difflib

import pytest
from snapshots import FOLDER, SNAPSHOTS


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_what_others_rely_on_is_as_it_was(name: str):
    was = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    changed = list(difflib.unified_diff(was, list(SNAPSHOTS[name]()), "committed", "now", lineterm="", n=0))
    assert changed == [], "\n".join(["run `make snapshots` if this is meant, and say it in CHANGELOG.md", *changed])
    assert len(was) > 15
