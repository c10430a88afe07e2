"""What tests of conversion studies share: the planted world, and one study that has run in it."""

from pathlib import Path

import planted_conversions
import pytest
from planted_speaker import PlantedSpeaker


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> PlantedSpeaker:
    """Studies find the planted speaker, corpus and judges by name."""
    return planted_conversions.planted_world(monkeypatch)


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that has run; to be read only."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        planted_conversions.planted_world(patch)
        planted_conversions.run(folder, page=True)
    return folder
