"""Guards of an evaluation: are its clips others than those that found the neurons, and treated like them?"""

from dataclasses import dataclass

from esn_interp.errors import CorpusError
from esn_interp.neurons.origin import GatedModel, Origin
from esn_interp.speech.clips import Clips
from esn_interp.speech.known_clips import provenance, require_one_emotion, shared_keys


@dataclass(frozen=True)
class Reservations:
    """What limits an evaluation: ``found`` clips are among those that found the neurons; ``notes`` tell all."""

    found: int = 0
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What no summary leaves out, to be put before its end."""
        return f"; {self.found} of these clips are among those that the neurons were found on" if self.found else ""

    def joined(self, other: "Reservations") -> "Reservations":
        """Those of two things that were found."""
        return Reservations(max(self.found, other.found), tuple(dict.fromkeys((*self.notes, *other.notes))))


NONE = Reservations()
"""Nothing to say."""


def check_apart(clips: Clips, origin: Origin, *, allow_identification_clips: bool) -> Reservations:
    """Refuse clips on which the neurons were found, unless that is allowed; then it is told.

    What can't be known is told as well: sets of earlier releases do not say which clips found them. Clips that are
    prepared otherwise than those that found the neurons are a remark.

    Raises
    ------
    CorpusError
        When clips found the neurons and that is not allowed, or a recording is there under several emotions.
    """
    require_one_emotion(clips)
    notes: list[str] = []
    found = shared_keys(clips, origin.found_on) if origin.found_on else 0
    # Sets of earlier releases tell no more than that.
    if origin.corpus_fingerprint in (clips.fingerprint, clips.labels_fingerprint):
        found = len(clips)
    if found and not allow_identification_clips:
        raise CorpusError(
            f"corpus {clips.name}: {found} of {len(clips)} clips are among those that the neurons were found on, and"
            " prove nothing about others; evaluate on other clips, or ask for it with allow_identification_clips=True"
            " (esn: --allow-identification-clips)"
        )
    if found:
        notes.append(
            f"{found} of {len(clips)} clips are among those that the neurons were found on: no evidence for others"
        )
    elif not origin.found_on and clips.name in origin.corpus.split("+"):
        notes.append(
            "whether these clips found the neurons can't be checked: the set does not say which clips it was found on"
        )
    treated = str(clips.preparation)
    if origin.preparation and origin.preparation != treated:
        notes.append(f"the neurons were found on clips prepared otherwise ({origin.preparation}; these: {treated})")
    return Reservations(found, tuple(notes))


def check_apart_from(
    clips: Clips, identification: Clips, lm: GatedModel, *, allow_identification_clips: bool
) -> Reservations:
    """As `check_apart`, of neurons that are yet to be found on ``identification``: before anything is run.

    Raises
    ------
    CorpusError
        When clips are among them and that is not allowed.
    """
    named = {"corpus": identification.name, "corpus_fingerprint": identification.fingerprint}
    origin = Origin.of(lm, **named, **provenance(identification))
    return check_apart(clips, origin, allow_identification_clips=allow_identification_clips)
