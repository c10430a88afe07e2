"""A study of conversions that was run: its numbers, and its results from the files of its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from esn_interp.analysis.conversion.cross_result import ConversionCross
from esn_interp.analysis.conversion.effect_result import ConversionEffect
from esn_interp.analysis.conversion.settings_result import ConversionGrid
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.studies.conversion.chapters import write_pages
from esn_interp.studies.conversion.record import KIND, VERSION
from esn_interp.studies.results import Study

FILES: dict[str, tuple[str, str, Any]] = {
    "choice": ("select", "choice.json", ConversionGrid),
    "neurons": ("select", "esns.safetensors", NeuronSet),
    "unseen": ("evaluate", "unseen.json", ConversionEffect),
    "seen": ("evaluate", "seen.json", ConversionEffect),
    "cross": ("cross", "cross.json", ConversionCross),
}
"""The results of a model on a corpus: their stage, file and kind."""


@dataclass(frozen=True, eq=False)
class ConversionStudy(Study):
    """A study of conversions that was run: where it is, its numbers, and what was found for each model and corpus."""

    formats: ClassVar[dict[str, int]] = {KIND: VERSION}

    @classmethod
    def read(cls, folder: Path, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The results that lie in the folder, by title and name."""
        cells = content["cells"]
        return {
            cell["title"]: {
                name: kind.load(folder_of(folder, cell["title"], len(cells)) / file)
                for name, (_, file, kind) in FILES.items()
                if (name if name != "neurons" else "choice") in cell
            }
            for cell in cells
        }

    @property
    def choice(self) -> ConversionGrid | None:
        """What every setting does to the validation speakers of the first model and corpus, and which is chosen."""
        return self.first("choice")

    @property
    def effect(self) -> ConversionEffect | None:
        """What steering does to speakers that had no part in anything, of the first model and corpus."""
        return self.first("unseen")

    @property
    def seen(self) -> ConversionEffect | None:
        """The same for the speakers that the neurons were found on."""
        return self.first("seen")

    @property
    def cross(self) -> ConversionCross | None:
        """One emotion asked for, another's neurons steered, of the first model and corpus."""
        return self.first("cross")

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done, and what to know before trusting the rest."""
        return (*super().notes, *(self.effect.notes if self.effect else ()))

    def to_frame(self) -> pd.DataFrame:
        """Levels and changes of every measure, of unseen and seen speakers."""
        frames = [effect.to_frame() for effect in (self.effect, self.seen) if effect]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def write_page(self) -> Path:
        """Write the page for readers anew, from the files of the folder."""
        places = {title: folder_of(self.folder, title, len(self.found)) for title in self.found}
        return write_pages(self.report, self.content, self.found, places)

    def _main(self) -> ConversionEffect | None:
        return self.effect


def folder_of(folder: Path, title: str, cells: int) -> Path:
    """Where the results of a model on a corpus lie: a folder of their own where there are several."""
    name = "".join(sign if sign.isalnum() or sign in "-._" else "-" for sign in title)
    return folder / name if cells > 1 else folder
