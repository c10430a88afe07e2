"""EMOVO: G. Costantini et al., LREC 2014. f1/dis-f1-b1: emotion, speaker, sentence."""

import re
from pathlib import Path

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import clips_by_name

# disgusto, gioia, neutrale, paura, rabbia, sorpresa, tristezza
_LABELS = {
    **{"dis": "disgusted", "gio": "happy", "neu": "neutral", "pau": "fearful"},
    **{"rab": "angry", "sor": "surprised", "tri": "sad"},
}
_SENTENCES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L’autunno prossimo Tony partirà per la Spagna: nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s’è incamminato... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l’aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d’agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}
_NAME = re.compile(r"(?P<label>[a-z]{3})-(?P<speaker>[fm][123])-(?P<sentence>[bdln]\d)", re.IGNORECASE)


def load_emovo(root: Path) -> Clips:
    """The clips under `root`: f1/dis-f1-b1.wav, in folders or in one."""
    return clips_by_name(root, INFO, _NAME, _row, example="f1/dis-f1-b1.wav")


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    speaker, sentence = match["speaker"].lower(), match["sentence"].lower()
    return {
        "label": match["label"].lower(),
        "speaker": speaker,
        "sex": "female" if speaker[0] == "f" else "male",
        "sentence": sentence,
        "transcript": _SENTENCES.get(sentence, ""),
        "language": "it",
    }


INFO = CorpusInfo(
    name="emovo",
    title="EMOVO (Costantini et al. 2014)",
    licence="none stated in its paper; ask its authors",
    needs_root=True,
    description="6 actors, Italian, 14 sentences, 7 emotions, 588 clips",
    load=load_emovo,
    home="http://lrec-conf.org/proceedings/lrec2014/summaries/591.html",
    download="EMOVO.zip, from its authors",
    layout="f1/, f2/, f3/, m1/, m2/ and m3/ with .wav files",
    labels=_LABELS,
    counts=dict.fromkeys(("neutral", "happy", "angry", "sad", "fearful", "disgusted", "surprised"), 84),
)
