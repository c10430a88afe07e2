"""What the two protocols, other ways of asking, steering and reading, and other tokens give on the bundled models.

    python tools/protocol_figures.py --emodb FOLDER --out docs/results

For every bundled model it writes

- ``asking-MODEL.json``, ``baselines-MODEL.json``, ``sites-MODEL.json``: results that `esn figure` draws;
- ``null-MODEL.json``: the first with what permuted labels give, for two ways of finding, since every permutation costs
  as much as the neurons themselves;
- ``scopes-MODEL.json``: what neurons are found, and what silencing them does, with instruction tokens and without;

and ``authors-toy.json``, what is told of the study of that name, from the folder ``--study``, where it is run unless it
lies there already. ``--only asking-toy-omni scopes-toy-emodb`` runs these parts alone; each takes minutes.

smol-audio is 30 layers deep, and a processor core too slow for it: its parts are for a card, and are run where named.
Its labels have several tokens each, so that every condition is five runs, and no adapter can be fitted to them.

    python tools/protocol_figures.py --out docs/results --device cuda --dtype bfloat16 --batch-size 128 --limit 100 \\
        --only asking-smol-audio

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
from esn_interp.analysis.baselines.measure import STRENGTHS
from esn_interp.analysis.inside.where import compare_sites
from esn_interp.files import write_json
from esn_interp.studies.results import interval, plain

MODELS = {"toy-omni": "toy-studio", "toy-emodb": "emodb", "smol-audio": "toy-studio"}
"""The bundled models, and the corpus that each hears best."""

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
OLD, NEW = "all", "audio,last"
"""Tokens that counted before instruction tokens were left out, and those that do now."""

TOP = 0.02
BIG = ("smol-audio",)
"""Models whose parts are run only where they are named."""

KEPT = ("title", "clips", "baseline", "filter", "chosen", "ablation", "figures", "protocols")


@dataclass(frozen=True)
class Asked:
    """One bundled model on its corpus, and how much of it is used: ``given`` are the command's options."""

    model: str
    given: argparse.Namespace

    @cached_property
    def lm(self) -> esn.AudioLM:
        return esn.load(self.model, device_map=self.given.device, dtype=self.given.dtype)

    @cached_property
    def splits(self) -> tuple[esn.Clips, esn.Clips, esn.Clips]:
        """Speakers to choose by, to find neurons on, and to measure on, the last new to the model."""
        name, emodb = MODELS[self.model], self.given.emodb
        if name == "emodb":
            name, root = ("emodb", emodb) if emodb else ("emodb-sample", None)
            clips = esn.corpus(name, root=root, emotions=list(EMOTIONS))
        else:
            clips = esn.corpus(name, emotions=list(EMOTIONS))
        return clips.split(unheard_by=self.lm)

    @property
    def how(self) -> dict[str, Any]:
        return {"batch_size": self.given.batch_size, "progress": False}

    def asking(self) -> None:
        """The matrix of ways of asking and of finding."""
        _, identification, evaluation = self.splits
        few = evaluation.limit(self.given.limit)
        self._keep("asking", esn.asking(self.lm, few, identification, top=TOP, **self.how))

    def null(self) -> None:
        """The same with permuted labels: by default neurons found by words, and by letters shuffled."""
        _, identification, evaluation = self.splits
        options: dict[str, Any] = {"top": TOP, "found": self.given.found, "relabellings": self.given.relabellings}
        few = evaluation.limit(self.given.limit)
        self._keep("null", esn.asking(self.lm, few, identification, written=0, **options, **self.how))

    def baselines(self) -> None:
        """Neurons beside what else steers and silences."""
        validation, identification, evaluation = self.splits
        esns = esn.select(esn.collect(self.lm, identification, **self.how), "mad", top=TOP)
        options: dict[str, Any] = {"identification": identification, "validation": validation.limit(self.given.limit)}
        options |= {"side_clips": self.given.side_clips, "max_new_tokens": self.given.max_new_tokens}
        options |= {"alphas": self.given.strengths, "strengths": self.given.strengths, "adapter_rank": 2}
        few = evaluation.limit(self.given.limit)
        self._keep("baselines", esn.baselines(self.lm, few, esns, **options, **self.how))

    def sites(self) -> None:
        """Neurons found at each site of the gates."""
        _, identification, evaluation = self.splits
        few = evaluation.limit(self.given.limit)
        self._keep("sites", compare_sites(self.lm, identification, few, top=TOP, **self.how))

    def scopes(self) -> None:
        """Neurons found over all tokens of the prompt, and over those that are not the instruction's."""
        _, identification, evaluation = self.splits
        stats = esn.collect(self.lm, identification, **self.how)
        few = evaluation.limit(self.given.limit)
        rows: list[dict[str, Any]] = []
        for selector in ("lap", "lape", "mad", "cas", "cohen"):
            sets = {scope: esn.select(stats, selector, top=TOP, scope=scope) for scope in (OLD, NEW)}
            for scope, esns in sets.items():
                silenced = esn.ablation(self.lm, few, esns, draws=0, relabellings=0, **self.how)
                told = {"self": interval(silenced.self_change), "cross": interval(silenced.cross_change)}
                rows.append({"selector": selector, "scope": scope, "shared": _shared(esns, sets[OLD]), **told})
        clips = {"corpus": few.name, "clips": len(few), "speakers": len(few.speakers)}
        write_json(self.given.out / f"scopes-{self.model}.json", plain({"top": TOP, **clips, "rows": rows}))

    def _keep(self, name: str, result: Any) -> None:
        result.save(self.given.out / f"{name}-{self.model}.json")
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
    parser.add_argument("--limit", type=int, default=50, help="evaluation clips")
    parser.add_argument("--relabellings", type=int, default=19)
    parser.add_argument("--found", nargs="+", default=["words", "shuffled"], help="ways of finding with a null")
    parser.add_argument("--side-clips", type=int, default=10)
    parser.add_argument("--max-new-tokens", type=int, default=96, help="of a transcript")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    parser.add_argument("--device", help="where models are run, as load's device_map")
    parser.add_argument("--dtype", help="in which precision")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], None]] = {"authors-toy": lambda: authors_toy(given.out, given.study)}
    for model in MODELS:
        asked = Asked(model, given)
        parts |= {f"{one}-{model}": getattr(asked, one) for one in ("asking", "null", "baselines", "sites", "scopes")}
    if unknown := set(given.only) - set(parts):
        parser.error(f"{sorted(unknown)[0]}: there is no such part; choose from {', '.join(parts)}")
    for name in given.only or [one for one in parts if not one.endswith(BIG)]:
        parts[name]()


if __name__ == "__main__":
    main()
