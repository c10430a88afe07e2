"""Whole loops over clips: sweeps of conditions, and a collection from the files on."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.models import EMOTIONS, noisy_clips, some_gates
from benchmarks.peers import Batch, Hooks, Ours, Peer, Plain
from benchmarks.peers.base import SUMS, membership, summed
from benchmarks.peers.ours import QUESTION, silenced
from benchmarks.shared import Outcome, Way, side_by_side
from esn_interp.models.families.inputs import Inputs
from esn_interp.neurons.layout import SCOPES
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import batches
from esn_interp.tasks.collection import CollectWarning, collect
from esn_interp.tasks.recognition import BASELINE, recognise

BY_CLIP = "hooks, clip by clip"
LOOP = "plain loop"
PARTS = ("reading", "features", "audio encoder", "decoder", "statistics")


class Loops:
    """The same loops with every tool and with this package, over models with the same weights.

    Plain hooks run the whole model, as one writes it. What the tools run is the decoder, on audio that this package has
    encoded once for them.
    """

    def __init__(self, ours: Ours, tools: Sequence[Peer], *, rounds: int) -> None:
        self.ours, self.tools, self.rounds = ours, [tool for tool in tools if type(tool) is not Plain], rounds
        self.hooks = next(tool for tool in tools if isinstance(tool, Hooks))

    def sweep(self, *, clips: int, conditions: int, batch: int) -> dict[str, Any]:
        """Label scores of every clip under every condition, each silencing 1 % of every layer's gates."""
        corpus = noisy_clips(clips)
        sets = {f"set {at}": some_gates(self.ours.lm, seed=at) for at in range(conditions)}
        edits = {BASELINE: []} | {name: silenced(one) for name, one in sets.items()}
        asked = partial(recognise, self.ours.lm, corpus, recognition=QUESTION, batch_size=batch, progress=False)

        def together() -> Outcome:
            return {"scores": asked(conditions=edits).log_probs}

        def one_by_one() -> Outcome:
            rows = [asked(conditions={name: one}).log_probs for name, one in edits.items()]
            return {"scores": np.concatenate(rows)}

        ways = {
            BY_CLIP: partial(self._hooked_sweep, corpus, sets, 1),
            "hooks, batched": partial(self._hooked_sweep, corpus, sets, batch),
            **{
                f"{tool.name}, audio encoded once": partial(self._encoded_sweep, tool, corpus, sets, batch)
                for tool in self.tools
            },
            "esn_interp, a pass for each condition": one_by_one,
            "esn_interp": together,
        }
        facts = {"clips": clips, "conditions": conditions, "batch": batch}
        return self._measured(ways, BY_CLIP) | facts

    def collection(self, *, clips: int, batch: int) -> dict[str, Any]:
        """Files in, statistics out; all ways sort clips by length, so that padding is the same."""
        corpus = noisy_clips(clips)
        lm = self.ours.lm

        def without() -> Outcome:
            for one in batches(corpus, batch_size=batch, skipped=[]):
                lm.scores(lm.encode(one.waveforms, QUESTION.prompt), QUESTION.labels)
            return {}

        def collected() -> Outcome:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CollectWarning)  # random weights answer by chance
                return _sums_of(collect(lm, corpus, batch_size=batch, emotions=EMOTIONS, progress=False))

        ways = {
            LOOP: partial(self._plain_loop, corpus, batch),
            "plain loop, with hooks": partial(self._hooked_loop, corpus, batch),
            **{
                f"plain loop, with {tool.name}": partial(self._tool_loop, tool, corpus, batch)
                for tool in self.tools
                if tool is not self.hooks
            },
            "esn_interp, no statistics": without,
            "esn_interp": collected,
        }
        return self._measured(ways, LOOP) | {"clips": clips, "batch": batch, "parts": self._parts(corpus, batch)}

    def _measured(self, ways: Mapping[str, Way], base: str) -> dict[str, Any]:
        # On a CPU nothing is read ahead in other threads, unless somebody asks for it.
        return side_by_side(ways, base=base, rounds=self.rounds, warm=0, relative=1e-3)

    def _parts(self, corpus: Clips, batch: int) -> dict[str, float]:
        """Where the time goes when nothing overlaps, in milliseconds a clip: of each part the least of all rounds."""
        lm, into = self.ours.lm, self.ours.accumulator()
        least: dict[str, float] = {}
        for _ in range(self.rounds):
            taken = dict.fromkeys(PARTS, 0.0)

            def timed(part: str, run: Callable[[], Any], taken: dict[str, float] = taken) -> Any:
                start = time.process_time()
                result = run()
                taken[part] += time.process_time() - start
                return result

            together = timed("reading", lambda: list(batches(corpus, batch_size=batch, skipped=[])))
            for one in together:
                inputs = timed("features", lambda one=one: lm._inputs(one.waveforms, QUESTION.prompt))
                timed("audio encoder", lambda inputs=inputs: lm._captured(inputs))
                encoded = lm.encode(one.waveforms, QUESTION.prompt)
                timed("decoder", lambda encoded=encoded: self.ours.scores(encoded))
                timed("statistics", lambda encoded=encoded: self.ours.statistics(encoded, into))
            taken["statistics"] -= taken["decoder"]
            least = {part: min(value, least.get(part, value)) for part, value in taken.items()}
        return {part: float(f"{1e3 * value / len(corpus):.3g}") for part, value in least.items()}

    def _hooked_sweep(self, corpus: Clips, sets: Mapping[str, Sequence[np.ndarray]], batch: int) -> Outcome:
        """The loop of a researcher: features once, then the model once for every condition."""
        scores = np.zeros((1 + len(sets), len(corpus), len(EMOTIONS)), dtype=np.float32)
        for rows, inputs in self._inputs(corpus, batch):
            scores[0, rows] = self._asked(inputs)
            for at, chosen in enumerate(sets.values(), start=1):
                with self.hooks.silenced(chosen):
                    scores[at, rows] = self._asked(inputs)
        return {"scores": scores}

    def _encoded_sweep(
        self, tool: Peer, corpus: Clips, sets: Mapping[str, Sequence[np.ndarray]], batch: int
    ) -> Outcome:
        nothing = [np.zeros(0, dtype=np.int64)] * tool.layers
        scores = np.zeros((1 + len(sets), len(corpus), len(EMOTIONS)), dtype=np.float32)
        for rows, encoded in self._encoded(corpus, batch):
            for at, chosen in enumerate([nothing, *sets.values()]):
                scores[at, rows] = tool.ablated(encoded, chosen)["edited scores"]
        return {"scores": scores}

    def _plain_loop(self, corpus: Clips, batch: int) -> Outcome:
        for _, inputs in self._inputs(corpus, batch):
            self._asked(inputs)
        return {}

    def _hooked_loop(self, corpus: Clips, batch: int) -> Outcome:
        """Sums by scope in float64; which emotion they belong to would be one more index."""
        total: dict[str, np.ndarray] = {}
        for _, inputs in self._inputs(corpus, batch):
            with self.hooks.summing(membership(inputs.scopes)) as sums:
                self._asked(inputs)
            for name, value in summed(sums).items():
                total[name] = total.get(name, 0) + value()
        return total

    def _tool_loop(self, tool: Peer, corpus: Clips, batch: int) -> Outcome:
        total: dict[str, np.ndarray] = {}
        for _, encoded in self._encoded(corpus, batch):
            found = tool.statistics(encoded)
            for name in SUMS:
                total[name] = total.get(name, 0) + found[name]()
        return total

    def _inputs(self, corpus: Clips, batch: int) -> Iterator[tuple[list[int], Inputs]]:
        """Batches of like length, as the model takes them."""
        waves = [clip.waveform() for clip in corpus]
        order = sorted(range(len(waves)), key=lambda row: len(waves[row]))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            yield rows, self.ours.lm._inputs([waves[row] for row in rows], QUESTION.prompt)

    def _encoded(self, corpus: Clips, batch: int) -> Iterator[tuple[list[int], Batch]]:
        """The same, with the audio encoded."""
        for one in batches(corpus, batch_size=batch, skipped=[]):
            yield one.rows, Batch.of(self.ours.encoded(one.waveforms), self.ours.labels)

    @torch.no_grad()
    def _asked(self, inputs: Inputs) -> np.ndarray:
        """Label scores from the whole model, without the logits of other words."""
        hidden = self.hooks.made.model.model(**inputs.tensors, use_cache=False).last_hidden_state
        return self.hooks.scores(hidden, self.ours.labels).numpy()


def _sums_of(statistics: GateStatistics) -> Outcome:
    """Over all groups, ``[scope, gate]`` by name."""
    return {
        name: np.stack([statistics.sums[f"{scope}/{name}"].sum(axis=0) for scope in SCOPES]) for name in SUMS
    }
