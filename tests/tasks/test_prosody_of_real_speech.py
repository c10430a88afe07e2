"""Every recording of people has a voice: what Praat hears a voice in is not silent to us."""

from pathlib import Path

import pytest
import soundfile

from esn_interp.tasks.judges.prosody_measures import prosody

QUICK = 40


@pytest.mark.parametrize("some", [QUICK, pytest.param(None, marks=pytest.mark.long)], ids=["some", "all"])
def test_every_recording_of_people_has_a_voice(emodb_root: Path, some: int | None):
    recordings = sorted(emodb_root.rglob("*.flac"))
    assert len(recordings) > QUICK
    # Evenly over the speakers and sentences, whose codes begin the names.
    step = 1 if some is None else len(recordings) // some
    unheard = [path.name for path in recordings[::step] if prosody(*soundfile.read(path, dtype="float32")).voiced == 0]
    assert not unheard
