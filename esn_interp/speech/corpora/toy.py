"""The two bundled corpora, made by tools/make_corpora.py: synthesised, so that every choice in them is known.

They differ in voices, sentences, channel and way of acting, so that a result on one can be tested on the
other.
"""

from importlib import resources

import pyarrow.parquet as parquet

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.labels import CANONICAL
from esn_interp.speech.schema import dataset_from_table


def load_toy_studio() -> Clips:
    """Clean recordings, emotions mostly acted out (elation, hot anger, dejection, panic)."""
    return load_bundled("toy-studio")


def load_toy_phone() -> Clips:
    """A telephone line, emotions mostly held back (contentment, cold anger, crying, anxiety)."""
    return load_bundled("toy-phone")


def load_bundled(name: str) -> Clips:
    """A corpus that comes with the package, by the name of its file."""
    with (resources.files("esn_interp.speech.corpora") / "data" / f"{name}.parquet").open("rb") as file:
        return Clips(dataset_from_table(parquet.read_table(file)), name)


INFOS = (
    CorpusInfo(
        name="toy-studio",
        title="Synthesised emotional speech, studio",
        licence="CC0-1.0",
        needs_root=False,
        description="20 synthetic voices, 8 sentences, 5 emotions, 800 clips; clean, mostly acted out",
        load=load_toy_studio,
        download="nothing: it is bundled",
        split="its own, by speaker",
        labels={name: name for name in CANONICAL},
        counts=dict.fromkeys(CANONICAL, 160),
    ),
    CorpusInfo(
        name="toy-phone",
        title="Synthesised emotional speech, telephone",
        licence="CC0-1.0",
        needs_root=False,
        description="20 other voices, 8 other sentences, 5 emotions, 800 clips; telephone, mostly held back",
        load=load_toy_phone,
        download="nothing: it is bundled",
        split="its own, by speaker",
        labels={name: name for name in CANONICAL},
        counts=dict.fromkeys(CANONICAL, 160),
    ),
)
