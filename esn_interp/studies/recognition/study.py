"""A study of recognition that was run: its numbers, and its results from the files of its folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.analysis.neuron.result import NeuronPages
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.analysis.selectors.result import SelectorComparison
from esn_interp.analysis.transfer.result import Transfer
from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.studies.recognition import record
from esn_interp.studies.recognition.article import record as article
from esn_interp.studies.recognition.article.page import write_article
from esn_interp.studies.recognition.article.tables import describe
from esn_interp.studies.recognition.chapters import write_pages
from esn_interp.studies.recognition.side_by_side import SideBySide
from esn_interp.studies.results import STAGES, Study, plain

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A kind of result in the folder: its stage, how it is read, and what of it stands in ``results.json``.

    ``part`` names that part of a cell's numbers, and ``told`` makes it anew from the result.
    """

    stage: str
    load: Callable[[Path], Any]
    part: str
    told: Callable[[Any, Numbers], Any]
    suffix: str = ".json"


STORED = {
    "ablation": Stored("ablate", Ablation.load, "ablation", lambda one, _: record.of_ablation(one)),
    "neurons": Stored("select", NeuronSet.load, "chosen", lambda one, _: record.of_neurons(one), ".safetensors"),
    "comparison": Stored("select", SelectorComparison.load, "chosen", lambda one, _: _best(one)),
    "protocols": Stored("protocols", SideBySide.load, "protocols", lambda one, _: one.rows()),
    "doses": Stored("dose", DoseResponse.load, "steering", lambda one, its: record.of_doses(one, its["alpha"])),
    "pages": Stored("neuron", NeuronPages.load, "pages", lambda one, _: one.summary()),
    "layers": Stored("layers", LayerProfile.load, "layers", lambda one, _: record.of_summary(one)),
    "overlap": Stored("overlap", Overlap.load, "overlap", lambda one, _: record.of_notes(one)),
    "transfer": Stored("transfer", Transfer.load, "transfer", lambda one, _: record.of_notes(one)),
}


@dataclass(frozen=True, eq=False)
class RecognitionStudy(Study):
    """A study of recognition that was run: where it is, its numbers, and what was found for each model and corpus."""

    formats: ClassVar[dict[str, int]] = {article.KIND: article.VERSION, record.KIND: record.VERSION}

    @classmethod
    def read(cls, folder: Path, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The results that lie in the folder, by title and name."""
        if content["kind"] == article.KIND:
            title = f"{content['model']['name']} on {content['corpus']['name']}"
            files = {**article.FILES, **({"pages": article.PAGES} if (folder / article.PAGES).is_file() else {})}
            return {title: {name: STORED[name].load(folder / file) for name, file in files.items()}}
        return {
            one["title"]: _named(folder, one) if "files" in one else _sought(folder, one)
            for one in (*content["cells"], *content["pairs"])
        }

    @property
    def comparison(self) -> SelectorComparison | None:
        """Every selector and size, on the validation clips of the first model and corpus."""
        return self.first("comparison")

    @property
    def ablation(self) -> Ablation | None:
        """The neurons silenced, on the evaluation clips of the first model and corpus."""
        return self.first("ablation")

    @property
    def doses(self) -> DoseResponse | None:
        """The neurons turned up, on the evaluation clips of the first model and corpus."""
        return self.first("doses")

    def to_frame(self) -> pd.DataFrame:
        """Changes of recall under ablation, of the first model and corpus."""
        return self.ablation.to_frame() if self.ablation else pd.DataFrame()

    def describe(self) -> str:
        """The headline numbers as a few lines for a terminal."""
        return describe(self.content) if self.content["kind"] == article.KIND else self.summary()

    def write_page(self) -> Path:
        """Write the page for readers anew, from the files of the folder."""
        if self.content["kind"] == article.KIND:
            return write_article(self.folder, self.content, next(iter(self.found.values())))
        return write_pages(self.report, self.content, self.found)

    def _main(self) -> Ablation | None:
        return self.ablation


def _named(folder: Path, one: Numbers) -> dict[str, Any]:
    """Results whose files are named in ``results.json``."""
    return {name: STORED[name].load(folder / file) for name, file in one["files"].items() if name in STORED}


def _sought(folder: Path, one: Numbers) -> dict[str, Any]:
    """Results of a study that an earlier version wrote, which did not name them: those with the very same numbers."""
    found: dict[str, Any] = {}
    for name, stored in STORED.items():
        if (part := one.get(stored.part)) is None:
            continue
        paths = sorted((folder / STAGES / stored.stage).glob(f"{'[0-9a-f]' * 16}{stored.suffix}"))
        fitting = [one for one in map(stored.load, paths) if _fits(_told(stored, one, part), part)]
        fitting = [result for result in fitting if _belongs(result, one, found)]
        if fitting:
            found[name] = max(fitting, key=lambda result: _corpus_of(result) == one.get("corpus"))
    return found


def _corpus_of(result: Any) -> str | None:
    """The name of the corpus that a result says it is of, which may be called otherwise in the study."""
    of = next((getattr(result, name) for name in ("origin", "origins") if hasattr(result, name)), result)
    return getattr(of, "corpus", None)


def _told(stored: Stored, result: Any, its: Numbers) -> Numbers | None:
    try:
        return plain(stored.told(result, its))
    except EsnError:  # such as a dose that was not run
        return None


def _fits(told: Numbers | None, part: Numbers) -> bool:
    """Whether a result tells what is written of it; it may tell more by now."""
    return told is not None and all(name in told and told[name] == value for name, value in part.items())


def _belongs(result: Any, one: Numbers, found: Numbers) -> bool:
    """Whether neurons or a comparison, whose few numbers may be those of others too, are those that were silenced."""
    if not isinstance(result, (NeuronSet, SelectorComparison)):
        return True
    if (silenced := found.get("ablation")) is None:
        return False
    its = silenced.origins
    if isinstance(result, NeuronSet):
        return result.parameters == its.selection
    of = result.origins
    return (of.model, of.identified_on, result.seed) == (its.model, its.identified_on, one["seed"])


def _best(comparison: SelectorComparison) -> Numbers:
    return dict(zip(("selector", "top"), comparison.best, strict=True))
