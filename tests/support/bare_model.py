"""The bare tiny model, run by transformers alone and edited by plain PyTorch hooks: what a traced run must equal."""

from contextlib import contextmanager

import torch
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.models.audio_lm import AudioLM

CLIPS = noise(0.7, 1.3, 2.6)


def layers_of(lm: AudioLM):
    return lm.family.decoder(lm.model).layers


@contextmanager
def plain_hooks(lm: AudioLM, edits, scopes=None):
    """The independent reference: the same formula in plain PyTorch forward hooks."""

    def hook(edit):
        steps = []

        def apply(module, arguments, output):
            step, output = len(steps), output.clone()
            steps.append(step)
            new = torch.as_tensor(edit.gain) * output[..., edit.neurons] + torch.as_tensor(edit.shift)
            if edit.floor is not None:
                new = new.clamp_min(edit.floor)
            names = ["audio", "text", "last", "generated"]
            where = torch.ones(output.shape[:2], dtype=torch.bool)
            if scopes is not None and step == 0:
                where = torch.tensor(
                    [[names[c] in edit.positions if c >= 0 else False for c in row] for row in scopes]
                )
            elif scopes is not None:
                where[:] = "generated" in edit.positions
            output[..., edit.neurons] = torch.where(where[..., None], new, output[..., edit.neurons])
            return output

        return layers_of(lm)[edit.layer].mlp.act_fn.register_forward_hook(apply)

    handles = [hook(edit) for edit in edits]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def bare_logits(lm: AudioLM, waveforms=CLIPS, prompt=CHOICE):
    inputs = lm.family.inputs(lm.processor, waveforms, prompt)
    with torch.no_grad():
        return lm.model(**inputs.tensors).logits


def bare_generate(lm: AudioLM, waveforms=CLIPS, prompt=CHOICE, tokens=6):
    inputs = lm.family.inputs(lm.processor, waveforms, prompt)
    with torch.no_grad():
        return lm.model.generate(**inputs.tensors, do_sample=False, max_new_tokens=tokens)


def label_log_probs(lm: AudioLM, logits):
    ids = [lm.processor.tokenizer(emotion)["input_ids"][0] for emotion in EMOTIONS]
    return logits[:, -1, ids].log_softmax(-1).numpy()
