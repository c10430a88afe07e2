"""What an edited run costs beside the plain model: one condition, generation, sweeps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from benchmarks.shared import Geometry, closeness, interleaved, noise, ratios, thinker, told
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.models.edits import Edit
from esn_interp.tasks.recognition import Recognition

BATCHES = (1, 8, 32)
SHARE = 0.01  # of every layer's gates
NEW_TOKENS = 24
QUESTION = Recognition(("neutral", "happy", "angry", "sad", "fearful"))


def measure(geometry: Geometry, found: dict[str, Any]) -> None:
    """Fill ``found``; what was measured so far is there when something fails."""
    lm = thinker(geometry)
    small = geometry.hidden < 1000
    silenced = random_edits(lm, seed=0)
    for batch in (1, 4) if small else BATCHES:
        told(f"edits: one condition, batch {batch}")
        found[f"one condition, batch {batch}"] = one_condition(lm, silenced, batch)
    told("edits: generation")
    found["greedy generation, batch 4"] = generation(lm, silenced)


def random_edits(lm: AudioLM, *, seed: int) -> list[Edit]:
    """Gates of every layer, chosen at random, silenced."""
    rng = np.random.default_rng(seed)
    return [
        Edit(layer, np.sort(rng.choice(width, max(1, round(SHARE * width)), replace=False)), gain=0.0)
        for layer, width in enumerate(lm.widths)
    ]


@contextmanager
def hooks(lm: AudioLM, edits: Sequence[Edit]) -> Iterator[None]:
    """The loop of a researcher without a toolkit: a forward hook on every edited activation."""

    def silence(index: torch.Tensor) -> Callable[..., torch.Tensor]:
        def hook(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            output[..., index] = 0
            return output

        return hook

    gates = lm.stacks[lm.component].gates
    with ExitStack() as stack:
        for edit in edits:
            index = torch.from_numpy(edit.neurons).to(lm.device)
            stack.callback(gates[edit.layer].module.register_forward_hook(silence(index)).remove)
        yield


def plain_scores(lm: AudioLM, encoded: Encoded) -> np.ndarray:
    """What scoring labels takes without a toolkit: the decoder, and the labels' rows of the head."""
    tokens = [lm.processor.tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in QUESTION.labels]
    with torch.no_grad():
        hidden = lm.family.decoder(lm.model)(**{**encoded.decoder_inputs, "use_cache": False}).last_hidden_state[:, -1]
        logits = hidden @ lm.family.head(lm.model).weight[tokens].T
        return logits.float().log_softmax(-1).cpu().numpy()


def one_condition(lm: AudioLM, edits: Sequence[Edit], batch: int) -> dict[str, float]:
    """The decoder with edits in every layer, audio encoded before."""
    encoded = lm.encode(noise(batch), QUESTION.prompt)

    def hooked() -> np.ndarray:
        with hooks(lm, edits):
            return plain_scores(lm, encoded)

    def edited(plan: str) -> np.ndarray:
        return lm.scores(encoded, QUESTION.labels, edits=edits, plan=plan)

    within = 1e-4 if lm.dtype == torch.float32 else 0.05
    checks = {plan: closeness(edited(plan), hooked(), within=within, what=plan) for plan in ("scaled", "traced")}
    seconds = interleaved(
        {
            "plain": lambda: plain_scores(lm, encoded),
            "hooks": hooked,
            "scaled": lambda: edited("scaled"),
            "traced": lambda: edited("traced"),
            "no edit": lambda: lm.scores(encoded, QUESTION.labels),
        }
    )
    return ratios(seconds, "plain") | {f"difference of {plan} and hooks": value for plan, value in checks.items()}


def generation(lm: AudioLM, edits: Sequence[Edit]) -> dict[str, Any]:
    """Greedy answers of a fixed length, audio and all."""
    waveforms = noise(4)
    inputs = lm.family.inputs(lm.processor, waveforms, QUESTION.prompt)
    tensors = {
        name: value.to(lm.device, lm.dtype if value.is_floating_point() else None)
        for name, value in inputs.tensors.items()
    }
    lengths = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
    generator: Any = lm.family.generator(lm.model)

    def plain() -> torch.Tensor:
        with torch.no_grad():
            return generator.generate(**tensors, do_sample=False, **lengths)

    def hooked() -> torch.Tensor:
        with hooks(lm, edits):
            return plain()

    def edited(plan: str) -> torch.Tensor:
        arguments = {**tensors, "do_sample": False, **lengths}
        return lm._run(generator.generate, arguments, inputs.scopes, edits, plan=plan)

    expected = hooked()
    same = {f"{plan} says what hooks say": torch.equal(edited(plan), expected) for plan in ("scaled", "traced")}
    seconds = interleaved(
        {"plain": plain, "hooks": hooked, "scaled": lambda: edited("scaled"), "traced": lambda: edited("traced")},
        repeats=5,
    )
    return ratios(seconds, "plain") | same
