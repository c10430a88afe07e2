"""Three speakers of EmoDB that come with the package: recorded people, for notebooks and tests that have no corpus.

Made by tools/make_emodb_sample.py from the release, as Ogg Opus; source, licence and citation lie beside it. No bundled
model has learnt from these speakers.
"""

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.emodb import INFO as WHOLE
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.toy import load_bundled

NAME = "emodb-sample"
SPEAKERS = ("10", "14", "15")


def load_emodb_sample() -> Clips:
    """The clips of speakers 10, 14 and 15; their corpus is ``emodb``, so that models know whom they have heard."""
    return load_bundled(NAME)


INFO = CorpusInfo(
    name=NAME,
    title="EmoDB, three of its ten speakers (Burkhardt et al. 2005)",
    licence=WHOLE.licence,
    needs_root=False,
    description="3 German actors, 10 sentences, 7 emotions, 163 clips; recorded speech, as Opus",
    load=load_emodb_sample,
    home=WHOLE.home,
    download="nothing: it is bundled",
    split="by speaker, of whom there are three: one each; or all of them as evaluation",
    labels={name: name for name in WHOLE.counts},
    counts={
        **{"neutral": 22, "happy": 18, "angry": 39, "sad": 17, "fearful": 28},
        **{"bored": 25, "disgusted": 14},
    },
)
