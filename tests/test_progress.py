"""Progress bars: on stderr, only for somebody who is watching."""

import io
from contextlib import redirect_stderr

from esn_interp.progress import progress_bar, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_the_description_and_the_count(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with redirect_stderr(Terminal()) as terminal:
        assert list(track("abc", "Listening", 3)) == ["a", "b", "c"]
    assert "Listening" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_steps_may_be_reported_in_any_size(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with redirect_stderr(Terminal()) as terminal, progress_bar("Working", 10) as advance:
        advance(4)
        advance(6)
    assert "10/10" in terminal.getvalue()


def test_it_keeps_quiet_when_told_to():
    with redirect_stderr(Terminal()) as terminal:
        assert list(track("abc", "Listening", 3, enabled=False)) == ["a", "b", "c"]
    assert terminal.getvalue() == ""


def test_it_keeps_quiet_in_a_log():
    with redirect_stderr(io.StringIO()) as log:
        assert list(track("abc", "Listening", 3)) == ["a", "b", "c"]
    assert log.getvalue() == ""


def test_a_notebook_shows_it_too(monkeypatch):
    shown: list[object] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *things, **_: shown.extend(things))
    with redirect_stderr(io.StringIO()) as stderr:
        assert list(track("abc", "Listening", 3)) == ["a", "b", "c"]
    assert any("Listening" in getattr(one, "text", "") for one in shown)
    assert stderr.getvalue() == ""


def test_a_notebook_keeps_quiet_when_told_to(monkeypatch):
    shown: list[object] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *things, **_: shown.extend(things))
    assert list(track("abc", "Listening", 3, enabled=False)) == ["a", "b", "c"]
    assert shown == []
