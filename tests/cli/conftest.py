"""What tests of commands share."""

import pytest
from planted_demo import StudiedListener, studied_clips

from esn_interp.studies import work
from esn_interp.studies.models import StudiedModel


@pytest.fixture
def planted_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo on a listener whose neurons are planted, instead of the bundled model and corpus."""
    listener = StudiedListener()
    monkeypatch.setattr(StudiedModel, "lm", property(lambda self: listener))
    monkeypatch.setattr(work, "corpus", lambda *_, **__: studied_clips())
