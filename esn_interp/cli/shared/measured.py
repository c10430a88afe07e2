"""What every analysis shares: it loads the same things, and ends with the result, its figures and its summary."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, runtime_checkable

import typer

import esn_interp as esn
from esn_interp.cli.shared.console import Run
from esn_interp.cli.shared.corpus_choice import CorpusChoice, Split
from esn_interp.cli.shared.model_choice import ModelChoice
from esn_interp.cli.shared.options import AllowIdentification, BatchSize
from esn_interp.cli.shared.outputs import out_result

if TYPE_CHECKING:
    import plotly.graph_objects as go



@runtime_checkable
class Told(Protocol):
    """A result that can be saved, drawn and told in a sentence."""

    @property
    def notes(self) -> tuple[str, ...]: ...
    def to_dict(self) -> dict[str, Any]: ...
    def save(self, path: str | Path) -> None: ...
    def summary(self) -> str: ...
    def plot(self) -> "go.Figure": ...


class Experiment(NamedTuple):
    """The three things that every effect is measured with, already checked against each other."""

    lm: "esn.AudioLM"
    clips: "esn.Clips"
    neurons: "esn.NeuronSet"


@dataclass(frozen=True, kw_only=True)
class Measured(Run):
    """One run of an analysis, from what it needs to what it leaves; a bad ``out`` is refused before any work.

    Raises
    ------
    EsnError
        When ``out`` cannot be written.
    """

    out: Annotated[
        Path, typer.Option("--out", metavar="R", help="The .json file to write; the figure goes beside it.")
    ]

    def __post_init__(self) -> None:
        out_result(self.out)

    def experiment(
        self, model: ModelChoice, neurons: Path, corpus: CorpusChoice, split: Split
    ) -> Experiment:
        """Load what is quick to refuse first: the neurons, then the clips, then the model."""
        chosen = esn.NeuronSet.load(neurons)
        sizes = dict(zip(chosen.emotions, chosen.counts().sum(axis=1).tolist(), strict=True))
        if not any(sizes.values()):
            raise esn.EsnError(f"{neurons}: the set holds no neuron, so nothing would be edited; select some")
        if empty := [emotion for emotion, size in sizes.items() if not size]:
            self.note(f"{neurons}: no neuron goes with {', '.join(empty)}, so nothing is edited for it")
        clips = corpus.clips(split, self, model=model.model)
        lm = model.loaded(progress=self.progress)
        chosen.check(lm)
        return Experiment(lm, clips, chosen)

    def write(self, result: Told, **further: "go.Figure") -> None:
        """Write ``out`` and its figures, and tell the reader; ``further`` figures are named after their key."""
        from esn_interp.files import together

        try:
            figures = {self.out.with_suffix(".html"): result.plot()}
        except Exception:
            result.save(self.out)  # what may have taken hours is not lost for want of a picture
            raise
        figures |= {self.out.with_suffix(f".{name}.html"): figure for name, figure in further.items()}
        with together():
            result.save(self.out)
            for page, figure in figures.items():
                write_page(figure, page)
        first, *others = figures
        content = {"out": self.out, "figure": first, "further_figures": others, "summary": result.summary()}
        self.result(
            {**content, "notes": list(result.notes), "result": result.to_dict()},
            *(result.summary(), *result.notes, self.out, *figures),
        )


@dataclass(frozen=True, kw_only=True)
class Trial(Measured):
    """One run of an analysis that tries edits on clips."""

    allow_identification_clips: AllowIdentification = False
    batch_size: BatchSize = 32

    @property
    def how(self) -> dict[str, Any]:
        """What every such analysis is told of the run, by the names of its arguments."""
        return {
            "seed": self.seed,
            "batch_size": self.batch_size,
            "allow_identification_clips": self.allow_identification_clips,
            "progress": self.progress,
        }


def write_page(figure: "go.Figure", path: Path) -> None:
    """A figure as a page that needs no network."""
    from esn_interp.files import write_text
    from esn_interp.report.page import figure_page

    write_text(path, figure_page(figure))
