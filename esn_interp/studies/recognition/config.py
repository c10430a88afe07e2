"""A study of recognition as one file: which neurons are tried, how they are chosen, and what is measured with them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from esn_interp.studies.config import Fraction, Gain, StudyConfig, once
from esn_interp.tasks.protocols import Protocol

ORDER = (
    *("check", "baseline", "collect", "select", "ablate", "protocols", "dose", "cost", "listen", "neuron"),
    *("layers", "overlap", "transfer", "report"),
)
"""What a study of recognition can do, in order."""

STAGES = tuple(stage for stage in ORDER if stage not in ("protocols", "cost", "listen", "neuron"))
"""What it does unless it is told otherwise."""

CONDITIONAL = "the setting that validation voices chose"
"""What was chosen with the true labels, and is not chosen anew under permuted ones."""

TOLD = ("collect", "select", "ablate", "dose", "cost", "listen")
"""What an article tells."""


class RecognitionConfig(StudyConfig):
    """One study of recognition: every model on every corpus, under every seed.

    Selector, size and token scope are chosen among ``selectors``, ``tops`` and ``scopes`` (``scope`` alone, where there
    are none) by what they do to validation speakers. The ``rule`` is ``specific``: the lowest self minus cross change
    of recall under ablation; or ``causal``: of the settings that cost their own emotion at least ``least_loss`` of
    recall and the others at most ``most_collateral``, the one that steers best at the largest gain, and the most
    specific where there is none. The gain is chosen among ``alphas``. ``transfer_alpha`` is the fixed gain with which
    neurons are carried from one corpus to another. ``draws`` is the number of random control sets,
    ``validation_draws`` that of the comparison; ``relabellings`` how often neurons are selected from permuted labels,
    by the chosen setting, for p-values that know of the selection (the sums of single clips are kept for it; 0 for
    none). At most ``side_clips`` evaluation clips are asked for text, which is
    slow. ``pooling`` is how rates are pooled (None: as each selector has it). ``identification_clips`` correct clips
    of an emotion are enough to find neurons on, and effects are measured on ``evaluation_clips`` of it at most (None:
    all). ``page`` is what is written for readers: ``chapters``, one for each model and corpus, or an ``article`` about
    one model on one corpus, with players.
    """

    ready = (
        *("demo", "authors-toy", "grown", "grown-null", "grown-smallest", "grown-long"),
        *("emodb-toy", "paper-recognition", "real-speech"),
    )

    scopes: tuple[str, ...] = ()
    pooling: Literal["clip", "token"] | None = None
    identification_clips: Annotated[int, Field(ge=1)] | None = None
    evaluation_clips: Annotated[int, Field(ge=1)] | None = None
    rule: Literal["specific", "causal"] = "specific"
    least_loss: Fraction = 0.15
    most_collateral: Annotated[float, Field(ge=0, le=1)] = 0.05
    transfer_alpha: Gain = 4.0
    draws: Annotated[int, Field(ge=0)] = 20
    validation_draws: Annotated[int, Field(ge=0)] = 3
    relabellings: Annotated[int, Field(ge=0)] = 20
    side_clips: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 16
    stages: tuple[Literal[ORDER], ...] = STAGES  # pyright: ignore[reportInvalidTypeForm]
    page: Literal["chapters", "article"] = "chapters"

    @classmethod
    def told_by(cls, protocol: Protocol) -> dict[str, Any]:
        names = ("scope", "pooling", "identification_clips", "evaluation_clips")
        return super().told_by(protocol) | {name: getattr(protocol, name) for name in names}

    @field_validator("scopes")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return once(tuple(map(cls.known_scope, value)))

    @field_validator("alphas")
    @classmethod
    def _acting(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not any(value):
            raise ValueError("give a gain other than 0, which changes nothing")
        return value

    @model_validator(mode="after")
    def _tellable(self) -> "RecognitionConfig":
        if self.page == "article":
            if max(len(self.models), len(self.corpora), len(self.seeds)) > 1:
                raise ValueError("an article is about one model on one corpus under one seed; write chapters instead")
            if missing := [stage for stage in TOLD if not self.does(stage)]:
                raise ValueError(f"an article tells of stage {missing[0]!r} too; add it to the stages")
        elif self.does("listen"):
            raise ValueError("the clips of stage 'listen' are played in an article only")
        return self

    @property
    def null(self) -> dict[str, Any]:
        """How effects are compared with those of neurons that were selected by permuted labels."""
        given = {"conditional_on": CONDITIONAL} if self.relabellings else {}
        return {"relabellings": self.relabellings, **given}

    @property
    def tried_scopes(self) -> tuple[str, ...]:
        """The token scopes that are tried."""
        return self.scopes or (self.scope,)
