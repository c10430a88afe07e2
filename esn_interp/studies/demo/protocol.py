"""The protocol of `esn demo`: choose on validation voices, find on identification voices, evaluate once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.dose.doses import ALPHAS
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.files import write_atomic, write_json
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.speech.clips import Clips
from esn_interp.speech.heard import heard_by
from esn_interp.studies.demo.choice import Setting, choose_alpha, choose_neurons, settings_grid
from esn_interp.studies.demo.examples import examples
from esn_interp.studies.demo.page import build_report
from esn_interp.studies.demo.record import Findings, record
from esn_interp.studies.demo.subject import Subject
from esn_interp.studies.demo.tables import describe
from esn_interp.tasks.collection import collect
from esn_interp.tasks.free_text import parse_rate
from esn_interp.tasks.recognition import BASELINE
from esn_interp.tasks.side_tasks import off_target

STEPS = 7
SIDE_CLIPS = 100
"""Evaluation clips that are asked for transcripts, sex and free answers: generating text is slow."""


@dataclass(frozen=True)
class StudyResult:
    """Where a study was written to, and its numbers (the content of ``results.json``)."""

    folder: Path
    content: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """The headline numbers; fractions, changes as signed fractions."""
        return self.content["summary"]

    @property
    def report(self) -> Path:
        """The page for readers."""
        return self.folder / "report.html"

    @property
    def results(self) -> Path:
        """Every number of the page."""
        return self.folder / "results.json"

    def describe(self) -> str:
        """The summary as a few lines for a terminal."""
        return describe(self.content)


def run_study(
    lm: Subject,
    clips: Clips,
    out: str | Path,
    *,
    settings: Sequence[Setting] | None = None,
    alphas: Sequence[float] = ALPHAS,
    draws: int = 20,
    seed: int = 0,
    progress: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> StudyResult:
    """Find the neurons of every emotion, silence them, turn them up, and write it all down.

    Three disjoint sets of speakers: neurons are found on identification voices; selector, size, token scope
    and gain are chosen by what they do to validation voices; the evaluation voices are run once, at the end.

    Parameters
    ----------
    out
        Folder for ``report.html``, ``results.json``, the figures, statistics, neurons and analyses.
    settings, alphas
        What is tried on the validation voices; by default the whole grid.
    draws
        Layer-matched random neuron sets, as the control of both experiments.
    say
        Told in plain words what is being done.

    Raises
    ------
    StatisticsError
        When an emotion has no clip that the model labels correctly, or no setting can be used.
    """
    started, out = time.monotonic(), Path(out)
    assignment = clips.assign(unheard_by=heard_by(lm), seed=seed)
    validation, identification, evaluation = clips.divide(assignment)
    step = iter(range(1, STEPS + 1))

    def announce(text: str) -> None:
        say(f"[{next(step)}/{STEPS}] {text}")

    announce(
        f"Measuring every neuron on {len(identification)} clips of {len(identification.speakers)} "
        "identification voices"
    )
    statistics = collect(lm, identification, seed=seed, progress=progress)

    tried = settings_grid() if settings is None else settings
    announce(f"Trying {len(tried)} ways of selecting neurons on {len(validation.speakers)} validation voices")
    choice = choose_neurons(
        lm, validation, statistics, settings=tried, alphas=alphas, seed=seed, progress=progress
    )
    neurons = choice.neurons

    announce(f"Trying {len(alphas)} gains on the validation voices")
    gain = choose_alpha(lm, validation, neurons, alphas=alphas, progress=progress)

    announce(
        f"Silencing the neurons on {len(evaluation)} clips of {len(evaluation.speakers)} evaluation voices"
    )
    silenced = ablation(lm, evaluation, neurons, draws=draws, seed=seed, progress=progress)

    announce("Turning the neurons up on the evaluation voices")
    steered = dose_response(lm, evaluation, neurons, alphas=alphas, draws=draws, seed=seed, progress=progress)

    announce("Asking for transcripts, the speakers' sex and free answers, to see what else is lost")
    silencing = {BASELINE: (), **{emotion: deactivate(neurons[emotion]) for emotion in neurons.emotions}}
    asked = evaluation.limit(SIDE_CLIPS, seed=seed)
    costs = off_target(lm, asked, conditions=silencing, tasks=("transcription", "sex"), progress=progress)
    steering = {emotion: steer(neurons[emotion], gain.chosen) for emotion in neurons.emotions}
    parsed = parse_rate(lm, asked, conditions=steering, progress=progress)

    announce("Writing the report")
    findings = Findings(
        split_by="unheard" if assignment.unheard_by else assignment.by,
        validation=validation,
        identification=identification,
        evaluation=evaluation,
        statistics=statistics,
        choice=choice,
        gain=gain,
        ablation=silenced,
        dose=steered,
        costs=costs,
        parsed=parsed,
        examples=examples(lm, evaluation, neurons, out, alpha=gain.chosen, seed=seed, progress=progress),
    )
    content = record(lm, findings, seed=seed, seconds=time.monotonic() - started)
    statistics.save(out / "stats.safetensors")
    neurons.save(out / "esns.safetensors")
    silenced.save(out / "ablation.json")
    steered.save(out / "dose.json")
    write_json(out / "results.json", content)
    write_figures(
        out / "figures", {"neuron_map": neurons.plot(), "ablation": silenced.plot(), "dose": steered.plot()}
    )
    build_report(out)
    return StudyResult(out, content)


def write_figures(folder: Path, figures: dict[str, go.Figure]) -> None:
    """One page per figure; all of them use the one copy of plotly that lies beside them."""
    for name, figure in figures.items():

        def write(path: Path, figure: go.Figure = figure) -> None:
            figure.write_html(path, include_plotlyjs="directory", full_html=True)

        write_atomic(folder / f"{name}.html", write)
