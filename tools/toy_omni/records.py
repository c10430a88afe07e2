"""What the bundled models and judges have heard in training, for the `heard.json` beside their weights."""

from training_audio import SPLICED
from voices.casting import DEVELOPMENT_VOICES, NATURAL_VOICES, SENTENCES, TRAINING_VOICES, spliced

from esn_interp.speech.heard import Heard

CORPUS = "toy-training"  # what tools/training_audio.py makes


def heard_in_training(*, further: bool, seed: int = 0) -> Heard:
    """Every voice and sentence of the training audio; with `further`, of that of toy-omni's last stage as well."""
    learnt, chosen = [v.name for v in TRAINING_VOICES], [v.name for v in DEVELOPMENT_VOICES]
    sentences = SENTENCES
    if further:
        learnt += [voice.name for voice, split in NATURAL_VOICES if split == "training"]
        chosen += [voice.name for voice, split in NATURAL_VOICES if split == "development"]
        sentences += spliced(SPLICED, seed=seed)
    return Heard(speakers={"training": {CORPUS: learnt}, "validation": {CORPUS: chosen}}, sentences=sentences)
