"""Sharing a neuron set: on a hub with a card, as a table, as JSON, and as the mask that LAPE's code reads."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from jaxtyping import Int64

from esn_interp.drawing.numbers import count
from esn_interp.errors import EsnError, first_line
from esn_interp.files import package_version, write_text
from esn_interp.neurons.neuron_set import NeuronSet

FILE, CARD = "esns.safetensors", "README.md"
"""What a repository holds."""
_NOT_HAD = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError)


def push_to_hub(
    neurons: NeuronSet,
    repo: str,
    *,
    private: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Put a set and its card into a repository of a hub, which is made where there is none.

    Parameters
    ----------
    repo
        Such as ``name/esns-of-a-model``.
    private
        Whether a repository that is made is seen by its owner alone.
    token, endpoint
        Those of huggingface_hub: who writes, and where another hub is.

    Returns
    -------
    The address of the set.

    Raises
    ------
    EsnError
        When the hub can't be reached, or does not let this token write there.
    """
    hub = HfApi(endpoint=endpoint, token=token)
    try:
        hub.create_repo(repo, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            neurons.save(Path(folder) / FILE)
            write_text(Path(folder) / CARD, card(neurons, repo))
            done = hub.upload_folder(
                folder_path=folder, repo_id=repo, commit_message=f"Neurons of {neurons.model}, by {neurons.selector}"
            )
    except _NOT_HAD as error:
        raise EsnError(f"{repo}: the neurons were not put there ({first_line(error)})") from None
    return str(done.commit_url)


def from_hub(
    repo: str, *, revision: str | None = None, token: str | None = None, endpoint: str | None = None
) -> NeuronSet:
    """The set of a repository that `push_to_hub` made; ``revision`` is a branch, a tag or a commit.

    Raises
    ------
    EsnError
        When there is no such repository or file, or it can't be had or read.
    """
    try:
        path = hf_hub_download(repo, FILE, revision=revision, token=token, endpoint=endpoint)
    except _NOT_HAD as error:
        raise EsnError(f"{repo}: no {FILE} to be had there ({first_line(error)})") from None
    return NeuronSet.load(path)


def card(neurons: NeuronSet, repo: str = "") -> str:
    """The card of a set: where it is from, what it holds, how it is used, and what it does not show."""
    sizes = neurons.counts().sum(axis=1).tolist()
    rows = "\n".join(f"| {emotion} | {size:,} |" for emotion, size in zip(neurons.emotions, sizes, strict=True))
    settings = json.dumps(dict(neurons.parameters), ensure_ascii=False, default=str)
    load = f'esn.NeuronSet.from_hub("{repo}")' if repo else f'esn.NeuronSet.load("{FILE}")'
    return f"""---
library_name: esn-interp
tags: [interpretability, speech, emotion, neurons]
---

# Emotion-sensitive neurons of {neurons.model}

{count(len(neurons.indices()), "neuron")} of {neurons.n_gates:,} gates, selected by `{neurons.selector}` on the clips of
{neurons.corpus}, with esn_interp {package_version()}. Weights of the model: `{neurons.origin.fingerprint}`, component
`{neurons.origin.component}`.

| emotion | neurons |
|---|---|
{rows}

Settings: `{settings}`

```python
import esn_interp as esn

lm = esn.load("{neurons.model}")
esns = {load}
print(esn.ablation(lm, clips, esns).summary())  # clips that did not find them
```

A set says which gates go along with an emotion on the clips that found it. That a model needs them, and what steering
does, is shown by interventions on other voices, with random neurons as a control.
"""


def to_csv(neurons: NeuronSet, path: str | Path) -> None:
    """One row per member, as `NeuronSet.to_frame` has it; what the set is from stands in the JSON form."""
    write_text(path, neurons.to_frame().to_csv(index=False, lineterminator="\n"))


def to_json(neurons: NeuronSet, path: str | Path) -> None:
    """Everything as plain JSON: where the set is from, and for each emotion pairs of layer and gate of that layer."""
    content: dict[str, Any] = {
        "kind": "neurons in plain JSON",
        "package_version": package_version(),
        "model": neurons.model,
        "fingerprint": neurons.origin.fingerprint,
        "component": neurons.origin.component,
        "widths": list(neurons.widths),
        "corpus": neurons.corpus,
        "selector": neurons.selector,
        "parameters": dict(neurons.parameters),
        "neurons": {emotion: _members(neurons[emotion]) for emotion in neurons.emotions},
    }
    write_text(path, json.dumps(content, ensure_ascii=False, default=str, indent=1) + "\n")


def lape_mask(neurons: NeuronSet) -> list[list[Int64[np.ndarray, " chosen"]]]:
    """Gates by emotion and layer, ``[emotion][layer]``, as the code of LAPE (Tang et al., 2024) keeps them.

    Emotions stand where languages do there, in the order of ``emotions``; each entry holds the sorted numbers of the
    layer's gates.
    """
    layers = range(len(neurons.widths))
    return [
        [np.sort(one.in_layer[one.layer == layer]).astype(np.int64) for layer in layers]
        for one in (neurons[emotion] for emotion in neurons.emotions)
    ]


def _members(one: NeuronSet) -> list[dict[str, Any]]:
    columns = zip(one.layer.tolist(), one.in_layer.tolist(), one.score.tolist(), strict=True)
    return [{"layer": layer, "gate": gate, "score": score} for layer, gate, score in columns]
