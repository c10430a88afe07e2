"""Low-rank adapters, fitted to a few answers: what training a little of a model does, beside editing its gates.

An adapter is fitted to a copy; what it adds to the weights is given back, to be tried on the model itself (`added`), so
that an adapted model runs as any other, in the same traced runs.
"""

import copy
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.models.bare import exchanged
from esn_interp.models.gradients import differentiable
from esn_interp.models.scoring import label_reader

Adapter = Mapping[str, Float[Tensor, "out in"]]
"""What an adapter adds to weights, by the name of the parameter."""

RATE = 1e-2
"""Step size of Adam. (Our choice.)"""


class Lesson(NamedTuple):
    """Clips that a question was put to, and which of the labels each is to be answered with."""

    encoded: Encoded
    target: Int[np.ndarray, " clip"]


def why_no_adapter(lm: Any, labels: Sequence[str]) -> str:
    """Why no adapter can be fitted to a model, and what to do; empty where one can."""
    if find_spec("peft") is None:
        return "no low-rank adapter: peft is not installed (pip install 'esn-interp[adapter]')"
    if not isinstance(lm, AudioLM):
        return "no low-rank adapter: this model has no weights that we know of"
    if any(weight.is_meta for weight in lm.model.parameters()):
        return "no low-rank adapter: weights that are moved in and out of memory can't be trained"
    if not _plain(lm, lm.family.decoder(lm.model)):
        return "no low-rank adapter: the decoder has no plain linear layers"
    if label_reader(lm.family, lm.model, lm.processor.tokenizer, labels) is None:
        return "no low-rank adapter: it is fitted to labels of one token each, and some have several"
    return ""


def fitted_adapter(
    lm: AudioLM, lessons: Sequence[Lesson], labels: Sequence[str], *, rank: int, steps: int, seed: int
) -> Adapter:
    """Fit an adapter of the decoder's linear layers to the answers of the lessons, which are gone through in turn.

    The loss is the mean negative log-probability of the wanted label, normalised over the labels; weights are those of
    LoRA (Hu et al. 2021, arXiv 2106.09685), with a scale of 1.

    Raises
    ------
    ModelError
        When none can be fitted, see `why_no_adapter`.
    """
    if why := why_no_adapter(lm, labels):
        raise ModelError(f"{lm.name}: {why}")
    from peft import LoraConfig, inject_adapter_in_model

    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        model = copy.deepcopy(lm.model).requires_grad_(False)
        decoder = lm.family.decoder(model)
        read = label_reader(lm.family, model, lm.processor.tokenizer, labels)
        assert read is not None  # as was asked above
        names = _plain(lm, lm.family.decoder(lm.model))
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), model)
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        adam = torch.optim.Adam(weights, lr=RATE)
        for step in range(steps):
            lesson = lessons[step % len(lessons)]
            with differentiable(model, lesson.encoded) as encoded:
                scores = read(decoder(**encoded.decoder_inputs).last_hidden_state[:, -1]).float()
                wanted = torch.as_tensor(lesson.target, dtype=torch.int64, device=scores.device)
                loss = nn.functional.nll_loss(scores, wanted)
                adam.zero_grad()
                loss.backward()
                adam.step()
        modules: dict[str, Any] = dict(model.named_modules())
        return {f"{name}.weight": modules[name].get_delta_weight("default").detach() for name in names}


@contextmanager
def added(lm: AudioLM, adapter: Adapter, strength: float) -> Generator[AudioLM]:
    """Within the block, the model's weights hold so many times what an adapter adds; they are put back bit for bit."""
    parameters = dict(lm.model.named_parameters())
    weights = {
        name: parameters[name].detach() + strength * delta.to(parameters[name]) for name, delta in adapter.items()
    }
    with exchanged(lm, weights):
        yield lm


def _plain(lm: AudioLM, decoder: nn.Module) -> list[str]:
    """Names, in the whole model, of the decoder's plain linear layers."""
    within = {id(module) for module in decoder.modules() if type(module) is nn.Linear}
    head = lm.family.head(lm.model)
    return [name for name, module in lm.model.named_modules() if id(module) in within and module is not head]
