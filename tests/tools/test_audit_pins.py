"""The audit of the pins: what the database doesn't know, or is not asked, is no clean bill."""

import json
import sys
from pathlib import Path
from typing import Any

import audit_pins
import pytest

KNOWN = {"name": "a", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
HOLE = {"name": "c", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]}


def audited(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str
) -> tuple[int, list[str]]:
    """The exit code and what is printed, with this script of sh for pip-audit; ``$out`` is where the report goes."""
    program = folder / "pip-audit"
    program.write_text(f'#!/bin/sh\nfor out; do :; done\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", ["audit_pins.py", "--program", str(program)])
    return audit_pins.main(), capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("pins", "code", "said"),
    [
        ([KNOWN], 0, ["1 of 1 pins checked, 0 known vulnerabilities"]),
        ([KNOWN, HOLE], 1, ["c 2.0: PYSEC-1, mended in 2.1, 3.0", "2 of 2 pins checked, 1 known vulnerabilities"]),
        (
            [KNOWN, *[UNKNOWN] * 7],
            1,
            [
                "not checked, pypi as it is reached here doesn't know them: b, b, b, b, b and 2 more",
                "1 of 8 pins checked, 0 known vulnerabilities",
            ],
        ),
        ([], 1, ["0 of 0 pins checked, 0 known vulnerabilities"]),
    ],
    ids=["clean", "a hole", "unknown", "nothing"],
)
def test_every_pin_must_be_known_and_clean(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pins: list[dict[str, Any]],
    code: int,
    said: list[str],
) -> None:
    (tmp_path / "answer.json").write_text(json.dumps({"dependencies": pins}))
    assert audited(tmp_path, monkeypatch, capsys, f'cp {tmp_path}/answer.json "$out"; exit {code}') == (code, said)


def test_a_database_that_can_not_be_asked_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = 'echo "Traceback" >&2; echo "  in x" >&2; echo "ConnectionError: no such host" >&2; exit 1'
    said = "nothing was checked: pypi could not be asked (ConnectionError: no such host)"
    assert audited(tmp_path, monkeypatch, capsys, script) == (1, [said])
