"""What the two protocols, other ways of asking, steering and reading, and other tokens give on the bundled models.

    python tools/protocol_figures.py --emodb FOLDER --out docs/results

For every bundled model it writes

- ``asking-MODEL.json``, ``baselines-MODEL.json``, ``sites-MODEL.json``: results that `esn figure` draws;
- ``null-MODEL.json``: the first with what permuted labels give, for two ways of finding and on fewer clips, since every
  permutation costs as much as the neurons themselves;
- ``scopes-MODEL.json``: what neurons are found, and what silencing them does, with instruction tokens and without;

and ``authors-toy.json``, what is told of the study of that name, from the folder ``--study``, where it is run unless it
lies there already. ``--only asking-toy-omni scopes-toy-emodb`` runs these parts alone; each takes minutes.

toy-emodb is tried on the three speakers of EmoDB whom it has not heard; without ``--emodb``, on the part of EmoDB that
comes with the package, where there is one such speaker and so no interval.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import esn_interp as esn
from esn_interp.analysis.inside.where import compare_sites
from esn_interp.files import write_json
from esn_interp.studies.results import interval

MODELS = {"toy-omni": "toy-studio", "toy-emodb": "emodb"}
"""The bundled models, and the corpus that each hears best."""

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
OLD, NEW = "all", "audio,last"
"""Tokens that counted before instruction tokens were left out, and those that do now."""

TOP = 0.02
KEPT = ("title", "clips", "baseline", "filter", "chosen", "ablation", "figures", "protocols")


@dataclass(frozen=True)
class Asked:
    """One bundled model on its corpus, and how much of it is used."""

    model: str
    emodb: Path | None
    out: Path
    limit: int
    relabellings: int
    side_clips: int

    @cached_property
    def lm(self) -> esn.AudioLM:
        return esn.load(self.model)

    @cached_property
    def splits(self) -> tuple[esn.Clips, esn.Clips, esn.Clips]:
        """Speakers to choose by, to find neurons on, and to measure on, the last new to the model."""
        name = MODELS[self.model]
        if name == "emodb":
            name, root = ("emodb", self.emodb) if self.emodb else ("emodb-sample", None)
            clips = esn.corpus(name, root=root, emotions=list(EMOTIONS))
        else:
            clips = esn.corpus(name, emotions=list(EMOTIONS))
        return clips.split(unheard_by=self.lm)

    def asking(self) -> None:
        """The matrix of ways of asking and of finding."""
        _, identification, evaluation = self.splits
        self._keep("asking", esn.asking(self.lm, evaluation.limit(self.limit), identification, top=TOP, progress=False))

    def null(self) -> None:
        """The same with permuted labels: neurons found by words, and by letters shuffled."""
        _, identification, evaluation = self.splits
        how: dict[str, Any] = {"top": TOP, "found": ["words", "shuffled"], "relabellings": self.relabellings}
        few = evaluation.limit(2 * self.limit // 5)
        self._keep("null", esn.asking(self.lm, few, identification, written=0, progress=False, **how))

    def baselines(self) -> None:
        """Neurons beside what else steers and silences."""
        validation, identification, evaluation = self.splits
        esns = esn.select(esn.collect(self.lm, identification, progress=False), "mad", top=TOP)
        how: dict[str, Any] = {"identification": identification, "validation": validation.limit(self.limit)}
        how |= {"side_clips": self.side_clips, "adapter_rank": 2, "progress": False}
        self._keep("baselines", esn.baselines(self.lm, evaluation.limit(self.limit), esns, **how))

    def sites(self) -> None:
        """Neurons found at each site of the gates."""
        _, identification, evaluation = self.splits
        few = evaluation.limit(self.limit)
        self._keep("sites", compare_sites(self.lm, identification, few, top=TOP, progress=False))

    def scopes(self) -> None:
        """Neurons found over all tokens of the prompt, and over those that are not the instruction's."""
        _, identification, evaluation = self.splits
        stats = esn.collect(self.lm, identification, progress=False)
        few = evaluation.limit(self.limit)
        rows: list[dict[str, Any]] = []
        for selector in ("lap", "lape", "mad", "cas", "cohen"):
            sets = {scope: esn.select(stats, selector, top=TOP, scope=scope) for scope in (OLD, NEW)}
            for scope, esns in sets.items():
                how: dict[str, Any] = {"draws": 0, "relabellings": 0, "progress": False}
                silenced = esn.ablation(self.lm, few, esns, **how)
                told = {"self": interval(silenced.self_change), "cross": interval(silenced.cross_change)}
                rows.append({"selector": selector, "scope": scope, "shared": _shared(esns, sets[OLD]), **told})
        clips = {"corpus": few.name, "clips": len(few), "speakers": len(few.speakers)}
        write_json(self.out / f"scopes-{self.model}.json", {"top": TOP, **clips, "rows": rows})

    def _keep(self, name: str, result: Any) -> None:
        result.save(self.out / f"{name}-{self.model}.json")
        print(result.summary(), *result.notes, sep="\n", flush=True)


def _shared(one: esn.NeuronSet, other: esn.NeuronSet) -> float | None:
    """Share of the one's neurons that the other has for the same emotion; None without any."""
    both = sum(len(np.intersect1d(one.indices(e), other.indices(e))) for e in one.emotions)
    whole = sum(len(one.indices(e)) for e in one.emotions)
    return both / whole if whole else None


def authors_toy(out: Path, folder: Path) -> None:
    """What is told of the study's results."""
    done = esn.study("authors-toy", folder, progress=False, say=print)
    cells = [{name: cell[name] for name in KEPT if name in cell} for cell in done.content["cells"]]
    write_json(out / "authors-toy.json", {"cells": cells, "not_done": done.content["not_done"]})


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--emodb", type=Path)
    parser.add_argument("--study", type=Path, default=Path("authors-toy"))
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--relabellings", type=int, default=19)
    parser.add_argument("--side-clips", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], None]] = {"authors-toy": lambda: authors_toy(given.out, given.study)}
    for model in MODELS:
        asked = Asked(model, given.emodb, given.out, given.limit, given.relabellings, given.side_clips)
        parts |= {f"{one}-{model}": getattr(asked, one) for one in ("asking", "null", "baselines", "sites", "scopes")}
    if unknown := set(given.only) - set(parts):
        parser.error(f"{sorted(unknown)[0]}: there is no such part; choose from {', '.join(parts)}")
    for name in given.only or parts:
        parts[name]()


if __name__ == "__main__":
    main()
