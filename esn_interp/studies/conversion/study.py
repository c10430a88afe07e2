"""A whole study of emotion control in generated speech: sample, filter, select, steer, judge, and a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from esn_interp.analysis.conversion.cross import ConversionCross
from esn_interp.analysis.conversion.effect import ConversionEffect
from esn_interp.analysis.conversion.settings import ConversionGrid
from esn_interp.errors import EsnError, StatisticsError
from esn_interp.files import write_atomic, write_json, write_text
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.studies.cache import Undone
from esn_interp.studies.config import load_config
from esn_interp.studies.conversion.cell import EvcCell
from esn_interp.studies.conversion.chapters import evc_chapters, evc_provenance
from esn_interp.studies.conversion.config import STAGES, EvcConfig
from esn_interp.studies.conversion.grid import EvcGrid, GivenModel
from esn_interp.studies.conversion.listening import write_listening
from esn_interp.studies.conversion.page import build_evc_report
from esn_interp.studies.conversion.record import evc_record, kept
from esn_interp.studies.conversion.units import Unit
from esn_interp.studies.conversion.workers import Recipe, perform
from esn_interp.tasks.listener import SpeakingLM

if TYPE_CHECKING:
    import plotly.graph_objects as go

READY = "evc-toy"


@dataclass(frozen=True, eq=False)
class EvcStudy:
    """A study of conversions that was run: where it is, its numbers, and the results of its first model and corpus.

    ``content`` is that of ``results.json``. A result that could not be had is None; ``content["not_done"]`` says why.
    """

    folder: Path
    content: dict[str, Any]
    neurons: NeuronSet | None
    choice: ConversionGrid | None
    effect: ConversionEffect | None
    seen: ConversionEffect | None
    cross: ConversionCross | None

    @property
    def report(self) -> Path:
        """The page for readers."""
        return self.folder / "report.html"

    @property
    def results(self) -> Path:
        """Every number of the page."""
        return self.folder / "results.json"

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done, and what to know before trusting the rest."""
        undone = (f"not done: {one['stage']}: {one['reason']}" for one in self.content["not_done"])
        return (*undone, *(self.effect.notes if self.effect else ()))

    def summary(self) -> str:
        """The result on speakers that had no part in anything, in one sentence."""
        return self.effect.summary() if self.effect else "; ".join(self.notes) or "Nothing was evaluated."

    def plot(self) -> "go.Figure":
        """What is heard in the conversions of unseen speakers.

        Raises
        ------
        StatisticsError
            When none could be evaluated.
        """
        if self.effect is None:
            raise StatisticsError(f"nothing to draw: {self.summary()}")
        return self.effect.plot()

    def to_frame(self) -> pd.DataFrame:
        """Levels and changes of every measure, of unseen and seen speakers."""
        frames = [effect.to_frame() for effect in (self.effect, self.seen) if effect]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def save(self, path: str | Path) -> None:
        """Write the numbers once more, as one JSON file."""
        write_json(path, self.content)


def evc_study(
    config: str | Path | EvcConfig = READY,
    out: str | Path = "esn-evc",
    *,
    lm: SpeakingLM | None = None,
    clips: Clips | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda text: None,
    **changed: Any,
) -> EvcStudy:
    """Find the neurons of a speaking model's own emotional conversions, turn them up, and hear what comes out.

    The three sets of speakers never mix: neurons are found on the successful conversions of identification speakers,
    selector, size and gain are chosen on validation speakers, and the effects are measured on evaluation speakers, by
    a judge that had no part in either.

    Parameters
    ----------
    config
        A `EvcConfig`, a ``.yaml`` file, or a study that comes with the package: ``evc-toy``, ``paper-conversion``.
    out
        Folder for the report, the results, frames, neurons, and pairs for listeners. A study that was interrupted goes
        on where it was.
    lm, clips
        A model and a corpus that are loaded already, in place of those of the config.
    say
        Told in plain words what is being done.
    changed
        Settings that replace those of the config, such as ``alphas=(1, 2)``.

    Raises
    ------
    EsnError
        When a setting is no good, or a model, judge or corpus can't be loaded. A stage that can't be done, for want of
        successful conversions for example, is noted in the results, and the study goes on.
    """
    settings = config if isinstance(config, EvcConfig) else load_config(config, kind=EvcConfig)
    settings = _changed(settings, changed, lm, clips)
    models = None if lm is None else [GivenModel(lm, settings.models[0])]
    grid = EvcGrid(settings, Path(out), models, None if clips is None else [clips])
    # Other processes load models and corpora by name; what is there already is used here, by this one.
    by_name = lm is None and clips is None
    return run_evc(grid, by_name=by_name, progress=progress, say=say)


def run_evc(
    grid: EvcGrid, *, by_name: bool = True, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> EvcStudy:
    """Run a study, or what is left of it, and write its files."""
    config, out = grid.config, grid.folder
    for position, cell in enumerate(grid.cells):
        recipe = (config.model_dump_json(), str(out.resolve()), position) if by_name else None
        for number, stage in enumerate(STAGES[:-1], start=1):
            if config.does(stage):
                say(f"[{number}/{len(STAGES)}] {stage}: {cell.title}")
                _stage(grid, cell, stage, recipe, progress=progress, say=say)
        cell.model.release()
    if config.does("listen"):
        for cell in grid.cells:
            write_listening(cell, out if len(grid.cells) == 1 else out / cell.folder)
    content = evc_record(grid)
    write_json(out / "results.json", content)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(out / "config.yaml", text)
    for cell in grid.cells:
        _write_results(cell, out if len(grid.cells) == 1 else out / cell.folder)
    if config.does("report"):
        say(f"[{len(STAGES)}/{len(STAGES)}] report")
        provenance = evc_provenance(grid, content["versions"])
        build_evc_report(content, evc_chapters(grid), provenance, out / "report.html")
    return _study(grid, content)


def work(cell: EvcCell, stage: str) -> Sequence[Unit]:
    """The units of a stage; what it depends on must be done."""
    plans: dict[str, Callable[[], Sequence[Unit]]] = {
        "sample": lambda: cell.sampling,
        "select": lambda: cell.trying,
        "evaluate": lambda: [
            unit
            for split in ("evaluation", "identification")
            for units in cell.measuring(split).values()
            for unit in units
        ],
        "cross": lambda: list(cell.crossing.values()),
        "listen": lambda: [unit for target in cell.config.targets for unit in cell.playing(target).values()],
    }
    return plans[stage]()


def _stage(
    grid: EvcGrid,
    cell: EvcCell,
    stage: str,
    recipe: Recipe | None,
    *,
    progress: bool,
    say: Callable[[str], None],
) -> None:
    try:
        units = work(cell, stage)
        done = perform(
            cell,
            units,
            recipe=recipe,
            workers=grid.config.workers,
            description=f"{stage}: {cell.title}",
            progress=progress,
        )
        results: dict[str, Callable[[], Any]] = {
            "sample": lambda: cell.statistics,
            "select": lambda: cell.grid,
            "evaluate": lambda: (cell.unseen, cell.seen),
            "cross": lambda: cell.cross,
        }
        results.get(stage, lambda: None)()
    except (Undone, StatisticsError) as error:
        grid.undone[stage, cell.title] = str(error)
        say(f"    not done: {error}")
    else:
        say("    already there" if not done else f"    {done} of {len(units)} parts were new")


def _write_results(cell: EvcCell, out: Path) -> None:
    """The results that can be loaded again, and their frames."""
    does = cell.config.does
    if does("select") and (grid := kept(lambda: cell.grid)):
        grid.save(out / "choice.json")
        cell.neurons(grid.setting).save(out / "esns.safetensors")
        _write_frame(grid.to_frame(), out / "frames" / "validation.csv")
    if does("evaluate") and (unseen := kept(lambda: cell.unseen)) and (seen := kept(lambda: cell.seen)):
        for effect in (unseen, seen):
            effect.save(out / f"{effect.voices}.json")
            _write_frame(effect.to_frame(), out / "frames" / f"{effect.voices}.csv")
    if does("cross") and (cross := kept(lambda: cell.cross)):
        cross.save(out / "cross.json")
        _write_frame(cross.to_frame(), out / "frames" / "cross.csv")


def _study(grid: EvcGrid, content: dict[str, Any]) -> EvcStudy:
    cell, does = grid.cells[0], grid.config.does
    choice = kept(lambda: cell.grid) if does("select") else None
    return EvcStudy(
        folder=grid.folder,
        content=content,
        neurons=cell.neurons(choice.setting) if choice else None,
        choice=choice,
        effect=kept(lambda: cell.unseen) if does("evaluate") else None,
        seen=kept(lambda: cell.seen) if does("evaluate") else None,
        cross=kept(lambda: cell.cross) if does("cross") else None,
    )


def _changed(
    config: EvcConfig, changed: dict[str, Any], lm: SpeakingLM | None, clips: Clips | None
) -> EvcConfig:
    """The config with other settings, checked anew."""
    if unknown := sorted(set(changed) - set(EvcConfig.model_fields)):
        raise EsnError(f"a conversion study has no setting {unknown[0]!r}; see EvcConfig for those that it has")
    if lm is not None:
        changed = {"models": [{"model": lm.name, "component": lm.component}]} | changed
    if clips is not None:
        changed = {"corpora": [clips.name]} | changed
    try:
        return EvcConfig.model_validate(config.model_dump() | changed)
    except ValueError as error:
        raise EsnError(f"the settings of the study: {' '.join(str(error).split())}") from None


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    write_atomic(path, lambda file: frame.to_csv(file, index=False))
