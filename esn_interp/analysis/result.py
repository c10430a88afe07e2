"""What every result can do: be saved as readable JSON, be loaded again, and be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Unpack, cast

from esn_interp.analysis.guards import NONE, Reservations, check_apart
from esn_interp.analysis.inference.significance import few_speakers_note
from esn_interp.analysis.stored_fields import decode, encode
from esn_interp.drawing.notebook import frame_table, sentence
from esn_interp.errors import EsnError, StatisticsError, first_line
from esn_interp.files import package_version, read_json, write_json
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure

_LINE = 160
"""Characters of a summary that the text of a result shows."""

# Not typing.Self: the run-time type checker of the tests can't follow it.
AnyResult = TypeVar("AnyResult", bound="Result")


@dataclass(frozen=True, eq=False)
class Result:
    """Base of the results: a frozen dataclass whose fields are all that is known.

    Fields may be numbers, text, tuples, arrays (annotated with an exact jaxtyping dtype such as ``Float64``),
    mappings of those, and further dataclasses. A field that is not a number is null in the file. Subclasses
    name their ``kind``, and raise ``version`` whenever a field changes its meaning. ``drawn_by`` is the function
    that draws it, by its module in the result's folder.
    """

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1
    drawn_by: ClassVar[str] = "figure.draw"

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values, with ``kind`` and ``version``."""
        header = {"kind": self.kind, "version": self.version, "package_version": package_version()}
        return {**header, **encode(self)}

    def save(self, path: str | Path) -> None:
        """Write the result as JSON that needs nothing of ours to be read."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls: type[AnyResult], path: str | Path) -> AnyResult:
        """Read what `save` wrote.

        Raises
        ------
        EsnError
            When the file is missing, is no JSON, is of another kind or version, or lacks a field.
        """
        content = read_json(path, kind=cls.kind, version=cls.version)
        try:
            return cast(AnyResult, decode(cls, content))
        except (KeyError, TypeError, ValueError, EsnError) as error:
            wrong = first_line(error)
            raise StatisticsError(f"{path}: this {cls.kind} file is damaged ({wrong}); run it anew") from None

    def plot(self, **look: Unpack["Look"]) -> "Figure":
        """Draw it; what the figure shows is said where it is drawn, in the module ``figure`` of the same folder.

        ``width``, ``height``, ``title``, ``font_size`` and ``greyscale`` are those of
        `esn_interp.drawing.look.looking`: for a page or a paper.
        """
        return self._drawn(self.drawn_by, **look)

    def _drawn(self, by: str, *options: Any, **look: Unpack["Look"]) -> "Figure":
        """What a function of another module of the result's own folder draws: plotly is loaded only now."""
        from esn_interp.drawing.look import looking

        folder, (module, function) = type(self).__module__.rpartition(".")[0], by.split(".")
        return looking(getattr(import_module(f"{folder}.{module}"), function)(self, *options), **look)

    def told_briefly(self) -> str:
        """The summary, where the result has one."""
        summary: Any = getattr(self, "summary", None)
        return summary() if summary else ""

    def __init_subclass__(cls, **options: Any) -> None:
        """A subclass keeps our one-line text: a dataclass would print every number of every array."""
        super().__init_subclass__(**options)
        cls.__repr__ = Result.__repr__

    def __repr__(self) -> str:
        told = " ".join(self.told_briefly().split())
        return f"{type(self).__name__}({shorten(told, _LINE, placeholder=' ...')})"

    def _repr_html_(self) -> str:
        frame: Any = getattr(self, "to_frame", None)
        return sentence(self.told_briefly()) + (frame_table(frame()) if frame else "")


@dataclass(frozen=True)
class Origins:
    """What an effect was measured on: which model, which clips, and whose neurons, selected how."""

    model: str
    fingerprint: str
    corpus: str
    corpus_fingerprint: str
    selector: str
    selection: dict[str, Any]
    identified_on: str
    reservations: Reservations = NONE

    @classmethod
    def of(
        cls, lm: Listener, clips: Clips, neurons: NeuronSet, *, allow_identification_clips: bool = False
    ) -> "Origins":
        """Read off what each says of itself, once it is known that they go together.

        Raises
        ------
        StatisticsError
            When the neurons come from another model.
        CorpusError
            When clips found the neurons and that is not allowed, see `check_apart`.
        """
        neurons.check(lm)
        return cls(
            model=lm.name,
            fingerprint=lm.fingerprint,
            corpus=clips.name,
            corpus_fingerprint=clips.fingerprint,
            selector=neurons.selector,
            selection=dict(neurons.parameters),
            identified_on=neurons.origin.corpus,
            reservations=check_apart(
                clips, neurons.origin, allow_identification_clips=allow_identification_clips
            ),
        )


@dataclass(frozen=True, eq=False)
class OverClips(Result):
    """A result over clips, by id, with the speaker of each and what must be said of it.

    ``skipped`` are the clips that could not be used; ``notes`` what a reader must know before trusting figures.
    """

    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        first = [note for note in self._reservations.notes if note not in self.notes]
        object.__setattr__(self, "notes", (*first, *self.notes))

    @property
    def _reservations(self) -> Reservations:
        origins: Origins | None = getattr(self, "origins", None)
        return NONE if origins is None else origins.reservations

    @property
    def reservation(self) -> str:
        """What a summary must not leave out: that clips found the neurons which are tried on them."""
        return self._reservations.told

    @property
    def n_speakers(self) -> int:
        """The number of different speakers."""
        return len(set(self.speakers))


@dataclass(frozen=True, eq=False)
class OfSets(OverClips):
    """A result of editing the neurons of each emotion in turn: ``sets`` names whose, ``emotions`` what was offered."""

    origins: Origins
    seed: int
    emotions: tuple[str, ...]
    sets: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OfConversions(Result):
    """A result over conversions of clips to several emotions: ``judge`` heard what they carry."""

    judge: str
    targets: tuple[str, ...]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def n_speakers(self) -> int:
        """The number of different speakers."""
        return len(self.speakers)


def standing_notes(
    speakers: int, skipped: Sequence[Skipped], *others: str | None, tests: int = 1
) -> tuple[str, ...]:
    """What must be said of a result: that speakers are few, what else there is, and that clips were skipped.

    ``tests`` is how many p-values make a family.
    """
    left_out = f"{len(skipped)} clips were skipped, the first: {skipped[0].reason}" if skipped else None
    return told(few_speakers_note(speakers, tests), *others, left_out)


def told(*notes: str | None) -> tuple[str, ...]:
    """The notes that there are."""
    return tuple(filter(None, notes))
