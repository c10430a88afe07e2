"""One run of the decoder with statistics, one with an ablation, one generation: against every tool that can."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.models import Made, noise, some_gates
from benchmarks.peers import Batch, Hooks, Ours, Peer, Reading
from benchmarks.peers.ours import QUESTION, silenced
from benchmarks.shared import Disagreement, Way, require_change, side_by_side

NEW_TOKENS = 24
PLANS = {"auto": "esn_interp", "traced": "esn_interp, traced"}


class Runs:
    """Every tool over models with the same weights, and the batches that they are given."""

    def __init__(
        self, make: Callable[[], Made], ours: Ours, tools: Sequence[Peer], *, clips: int, rounds: int
    ) -> None:
        self.ours, self.tools, self.clips, self.rounds = ours, tools, clips, rounds
        self.reading = Reading(make())
        # Every answer is as long as it may be.
        self.ours.lm.model.generation_config.min_new_tokens = NEW_TOKENS
        self.encoded = self.ours.encoded(noise(clips))
        self.batch = Batch.of(self.encoded, self.ours.labels)
        self.sets = some_gates(self.ours.lm)

    def facts(self) -> dict[str, Any]:
        """What was run."""
        width = int(self.batch.member.shape[2])
        return {"clips": len(self.batch), "tokens": self.batch.tokens, "width": width}

    def statistics(self) -> dict[str, Any]:
        """Label scores of a batch, and the sums of every gate by scope; audio was encoded before."""
        ways = self._ways(lambda tool: partial(tool.statistics, self.batch))
        ways[self.reading.name] = partial(self.reading.statistics, self.batch)
        ways["esn_interp, no statistics"] = partial(self.ours.scores, self.encoded)
        ways["esn_interp"] = partial(self.ours.statistics, self.encoded, self.ours.accumulator())
        return self._measured(ways) | self.facts()

    def ablation(self) -> dict[str, Any]:
        """Label scores of a batch with 1 % of the gates of every layer silenced; audio was encoded before."""
        edited = self._hooks.ablated(self.batch, self.sets)["edited scores"]
        require_change(edited, self._hooks.statistics(self.batch)["scores"], least=3e-3)
        ways = self._ways(lambda tool: partial(tool.ablated, self.batch, self.sets))
        for plan, name in PLANS.items():
            ways[name] = partial(self.ours.ablated, self.encoded, silenced(self.sets), plan)
        return self._measured(ways) | self.facts()

    def generation(self) -> dict[str, Any]:
        """Greedy answers with the same gates silenced at every step, from the waveforms on."""
        waves = noise(self.clips // 2)
        lm, hooks = self.ours.lm, self._hooks
        inputs = lm._inputs(waves, QUESTION.prompt).tensors
        if hooks.answers(inputs, NEW_TOKENS) == hooks.generated(inputs, self.sets, NEW_TOKENS)["edited words"]:
            raise Disagreement("the edit does not change what is generated, so nothing can be compared by it")

        def way(tool: Peer) -> Way:
            def run() -> Any:
                inputs = lm._inputs(waves, QUESTION.prompt).tensors
                return tool.generated(inputs, self.sets, NEW_TOKENS)

            return run

        ways = self._ways(way)
        for plan, name in PLANS.items():
            ways[name] = partial(self.ours.generated, waves, silenced(self.sets), NEW_TOKENS, plan)
        facts = {"clips": len(waves), "new_tokens": NEW_TOKENS}
        return self._measured(ways) | facts

    @property
    def _hooks(self) -> Hooks:
        return next(tool for tool in self.tools if isinstance(tool, Hooks))

    def _ways(self, way: Callable[[Peer], Way]) -> dict[str, Way]:
        return {tool.name: way(tool) for tool in self.tools}

    def _measured(self, ways: dict[str, Way]) -> dict[str, Any]:
        return side_by_side(ways, base="plain model", rounds=self.rounds, warm=0)
