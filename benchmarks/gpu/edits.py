"""What an edited run costs beside the plain model: one condition, many conditions, and generation."""

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.models import EMOTIONS, Geometry, noise, qwen2_5_omni, some_gates
from benchmarks.shared import require_change, side_by_side
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.models.decoding import static_cache, untraced
from esn_interp.models.edits import Edit
from esn_interp.models.families.inputs import Inputs
from esn_interp.tasks.recognition import Recognition

NEW_TOKENS = 24
QUESTION = Recognition(EMOTIONS)


def measure(geometry: Geometry, device: str, dtype: torch.dtype, found: dict[str, Any]) -> None:
    """Fill ``found``; a part that fails leaves its error in its place, and the others are there."""
    lm = qwen2_5_omni(geometry, device=device, dtype=dtype)
    silenced = [Edit(layer, neurons, gain=0.0) for layer, neurons in enumerate(some_gates(lm))]
    large = geometry.hidden > 1000
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        f"one condition, batch {batch}": partial(one_condition, lm, silenced, batch, device)
        for batch in ((1, 8, 32) if large else (1, 4))
    }
    parts["greedy generation, batch 4"] = partial(generation, lm, silenced, device)
    for clips in (1, 8) if large else (2,):
        parts[f"sweep of 20 conditions, {clips} clips"] = partial(sweep, lm, clips, device)
    parts["compiled generation, batch 4"] = partial(compiled_generation, lm, silenced, device)
    for name, part in parts.items():
        print(f"   {name}", file=sys.stderr, flush=True)
        try:
            found[name] = part()
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"}
            traceback.print_exc()


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


def one_condition(lm: AudioLM, edits: Sequence[Edit], batch: int, device: str) -> dict[str, Any]:
    """The decoder with 1 % of the gates of every layer silenced; audio is encoded before."""
    encoded = lm.encode(noise(batch, seconds=(3.0, 6.0)), QUESTION.prompt)

    def hooked() -> dict[str, Any]:
        with hooks(lm, edits):
            return {"edited": plain_scores(lm, encoded)}

    def edited(plan: str) -> Callable[[], dict[str, Any]]:
        return lambda: {"edited": lm.scores(encoded, QUESTION.labels, edits=edits, plan=plan)}

    require_change(hooked()["edited"], plain_scores(lm, encoded), least=1e-3)
    return side_by_side(
        {
            "plain": lambda: {"unedited": plain_scores(lm, encoded)},
            "hooks": hooked,
            "scaled": edited("scaled"),
            "traced": edited("traced"),
            "no edit": lambda: {"unedited": lm.scores(encoded, QUESTION.labels)},
        },
        base="plain",
        rounds=7,
        clock=_clock(device),
        device=device,
        **_tolerances(lm),
    )


def sweep(lm: AudioLM, clips: int, device: str, *, conditions: int = 20) -> dict[str, Any]:
    """Conditions on clips from their waveforms on: a loop over both, a loop over conditions, and `sweep`.

    In half of the conditions every layer is edited, in the other half the later half of the layers.
    """
    waveforms = noise(clips, seconds=(3.0, 6.0))
    tried: list[list[Edit]] = []
    for at in range(conditions):
        edits = [Edit(layer, neurons, gain=0.0) for layer, neurons in enumerate(some_gates(lm, seed=at))]
        tried.append(edits if at % 2 else edits[len(edits) // 2 :])
    tokens = [lm.processor.tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in QUESTION.labels]

    def asked(some: Sequence[np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            logits = lm.family.generator(lm.model)(**lm._inputs(some, QUESTION.prompt).tensors).logits
            return logits[:, -1, tokens].float().log_softmax(-1).cpu().numpy()

    def looped(*, together: bool) -> dict[str, Any]:
        rows: list[np.ndarray] = []
        for edits in tried:
            with hooks(lm, edits):
                rows.append(asked(waveforms) if together else np.concatenate([asked([one]) for one in waveforms]))
        # In half precision a clip alone is not what it is in a batch, by the plain model neither: see below.
        exact = together or lm.dtype == torch.float32
        return {"scores": np.stack(rows)} if exact else {}

    def swept(**options: Any) -> dict[str, Any]:
        encoded = lm.encode(waveforms, QUESTION.prompt)
        return {"scores": lm.sweep(encoded, QUESTION.labels, tried, **options).log_probs}

    plain_together, plain_alone = asked(waveforms), np.concatenate([asked([one]) for one in waveforms])
    parted = {
        "plain model": float(np.abs(plain_together - plain_alone).max()),
        "largest": float(np.abs(plain_together).max()),
    }
    result = side_by_side(
        {
            "sweep": swept,
            "sweep, one by one": lambda: swept(tokens=0),
            "hooks, clips together": lambda: looped(together=True),
            "hooks, clip by clip": lambda: looped(together=False),
        },
        base="sweep",
        rounds=3,
        clock=_clock(device),
        device=device,
        **_tolerances(lm),
    )
    return result | {"log-probabilities of clips alone and in a batch part by at most": parted}


def generation(lm: AudioLM, edits: Sequence[Edit], device: str) -> dict[str, Any]:
    """Greedy answers of a fixed length, audio and all."""
    inputs, arguments = _prompted(lm)
    generate: Any = lm.family.generator(lm.model).generate

    def plain() -> torch.Tensor:
        with torch.no_grad():
            return generate(**arguments)

    def hooked() -> dict[str, Any]:
        with hooks(lm, edits):
            return {"edited": plain()}

    def edited(plan: str) -> Callable[[], dict[str, Any]]:
        return lambda: {"edited": lm._run(generate, arguments, inputs.scopes, edits, plan=plan)}

    return side_by_side(
        {
            "plain": lambda: {"unedited": plain()},
            "hooks": hooked,
            "scaled": edited("scaled"),
            "traced": edited("traced"),
            "no edit": lambda: {"unedited": lm._run(generate, arguments, inputs.scopes, ())},
        },
        base="plain",
        rounds=5,
        clock=_clock(device),
        device=device,
    )


def compiled_generation(lm: AudioLM, edits: Sequence[Edit], device: str) -> dict[str, Any]:
    """The same with a static cache, compiled on a card; how many tokens it shares with what is not compiled.

    In half precision a compiled step rounds otherwise, so that greedy texts of random weights may part ways.
    """
    inputs, arguments = _prompted(lm)
    generate: Any = lm.family.generator(lm.model).generate
    prompt = inputs.tensors["input_ids"].shape[1]
    static = static_cache(lm.family.generator(lm.model), prompt=prompt, max_new_tokens=NEW_TOKENS)

    def written(compiled: bool) -> torch.Tensor:
        fn, more = (untraced(lm.model, generate), static) if compiled else (generate, {})
        return lm._run(fn, arguments | more, inputs.scopes, edits, plan="scaled")[:, prompt:]

    same = (written(False) == written(True)).float().mean()
    timed = side_by_side(
        {
            "scaled": lambda: {"tokens": written(False).numel()},
            "scaled, compiled": lambda: {"tokens": written(True).numel()},
        },
        base="scaled",
        rounds=5,
        clock=_clock(device),
        device=device,
    )
    return timed | {"share of equal tokens": float(same)}


def _prompted(lm: AudioLM) -> tuple[Inputs, dict[str, Any]]:
    """Four clips, and what `generate` is asked for: greedy answers of a fixed length."""
    inputs = lm._inputs(noise(4, seconds=(3.0, 6.0)), QUESTION.prompt)
    lengths = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
    return inputs, {**inputs.tensors, "do_sample": False, **lengths}


def _clock(device: str) -> str:
    return "wall" if device.startswith("cuda") else "cpu"


def _tolerances(lm: AudioLM) -> dict[str, float]:
    """Of label scores in the precision of the model; in half precision, batches of another size round otherwise."""
    return {"relative": 1e-4, "absolute": 1e-5} if lm.dtype == torch.float32 else {"relative": 0.05, "absolute": 0.1}

