"""A study of conversions as one file: what is converted, how conversions are judged, and what is tried."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from esn_interp.errors import EsnError
from esn_interp.models import loading
from esn_interp.models.edits import SCOPES
from esn_interp.models.families.manner import Manner
from esn_interp.neurons.catalogue import contenders, controls
from esn_interp.studies.config import Fraction, Gain, StudyConfig, misspelt, once
from esn_interp.tasks import judges
from esn_interp.tasks.judges import FILTER, RECOGNISER, SCORER
from esn_interp.tasks.judges.knowledge import require_known
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.success import SuccessFilter

STAGES = ("sample", "select", "evaluate", "cross", "listen", "report")
"""What a study of conversions does, in order."""

SPEAKING = ""
"""The component of a model that names none: the decoder that speaks, whichever that is."""

Count = Annotated[int, Field(ge=1)]


class ConversionConfig(StudyConfig):
    """One study of emotional voice conversion: every model on every corpus, under every seed.

    Clips of the emotions ``sources`` are said with each of ``targets``. Neurons are found on the conversions of the
    identification speakers that pass the success filter (``emotion_threshold``, ``max_wer``, ``max_cer``), heard by
    ``filter_judge`` and ``transcript_judge``; selector, size and gain are chosen among ``selectors``, ``tops`` and
    ``alphas`` on the validation speakers, with a word error rate that rises by ``most_wer`` at most; what comes out is
    heard by ``score_judge`` on the evaluation speakers. With ``compare_filter`` all of it is tried without the filter
    too. ``scope`` is where gates count when neurons are found: what is generated, unless told otherwise, since the
    request names the emotion too. Edits act everywhere.

    Each identification clip is said with each target ``attempts`` times, where few attempts succeed.
    ``identification_clips``, ``validation_clips``, ``evaluation_clips`` and ``cross_clips`` are clips of each speaker
    (all by default). ``draws`` is the number of random sets that the evaluation clips are dealt out to,
    ``listening_pairs`` the number of pairs for each target that listeners will compare. ``prompt`` and ``system`` may
    hold ``{emotion}`` and ``{article}``; without them each model is asked in its own way. ``workers`` are processes,
    each with a model of its own; they change nothing but the time that it takes.
    """

    ready = ("evc-toy", "paper-conversion")
    scopes_there_are: ClassVar[tuple[str, ...]] = SCOPES

    selectors: Annotated[tuple[str, ...], Field(min_length=1, default_factory=lambda: (*contenders(), *controls()))]
    tops: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.01, 0.02, 0.05)
    scope: str = "generated"
    alphas: Annotated[tuple[Gain, ...], Field(min_length=1)] = (1.0, 2.0, 4.0)
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("happy", "angry", "sad", "fearful")
    sources: Annotated[tuple[str, ...], Field(min_length=1)] = ("neutral",)
    prompt: str | None = None
    system: str | None = None
    voice: str | None = None
    greedy: bool = False
    max_seconds: Annotated[float, Field(gt=0)] = 30.0
    emotion_threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_wer: Annotated[float, Field(ge=0)] | None = 0.25
    max_cer: Annotated[float, Field(ge=0)] | None = None
    filter_judge: str = FILTER
    score_judge: str = SCORER
    transcript_judge: str = RECOGNISER
    speaker_judge: str | None = None
    compare_filter: bool = True
    most_wer: Annotated[float, Field(ge=0)] = 0.05
    attempts: Count = 1
    identification_clips: Count | None = None
    validation_clips: Count | None = None
    evaluation_clips: Count | None = None
    cross_clips: Count | None = 2
    draws: Count = 10
    listening_pairs: Annotated[int, Field(ge=0)] = 6
    batch_size: Count = 4
    workers: Count = 1
    stages: tuple[Literal[STAGES], ...] = STAGES  # pyright: ignore[reportInvalidTypeForm]

    @classmethod
    def told_by(cls, protocol: Protocol) -> dict[str, Any]:
        return super().told_by(protocol) | {"prompt": protocol.conversion}

    @field_validator("models", mode="after")
    @classmethod
    def _speaking(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """Models that do not say which component is meant are edited where they speak."""
        said = (model if "component" in model.model_fields_set else None for model in value)
        return tuple(
            model or own.model_copy(update={"component": SPEAKING}) for model, own in zip(said, value, strict=True)
        )

    @field_validator("alphas")
    @classmethod
    def _gains(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        """Gains that do something; the unsteered conversions are run anyway."""
        gains = tuple(alpha for alpha in value if alpha)
        if not gains:
            raise ValueError("give a gain other than 0; conversions without an edit are always run")
        return gains

    @field_validator("targets", "sources")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return once(value)

    def doubts(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """What a file can't mean, with its place in it: names that are nobody's."""
        yield from super().doubts()
        for name in ("targets", "sources"):
            yield from (((name,), reason) for reason in misspelt(getattr(self, name)))
        for kind in ("filter", "score", "transcript", "speaker"):
            if (judge := getattr(self, f"{kind}_judge")) and (reason := judges.unknown(kind, judge)):
                yield (f"{kind}_judge",), reason
        if self.voice is not None:
            for spec in self.models:
                if not loading.may_have_voices(spec.model):
                    yield ("voice",), f"{spec.model} has no voices to choose from; leave it out"

    @model_validator(mode="after")
    def _judges(self) -> "ConversionConfig":
        if len(set(self.targets)) < 2:
            raise ValueError("neurons are compared between emotions: give two targets or more")
        try:
            for role, judge in (("filter_judge", self.filter_judge), ("score_judge", self.score_judge)):
                require_known(judge, self.targets, role=role)
        except EsnError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def success(self) -> SuccessFilter:
        """Which conversions neurons are found on."""
        return SuccessFilter(self.emotion_threshold, self.max_wer, self.max_cer)

    @property
    def manner(self) -> Manner:
        """How it is said."""
        return Manner(voice=self.voice, greedy=self.greedy, max_seconds=self.max_seconds)
