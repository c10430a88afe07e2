"""Compiled decoding: the step really is one compiled graph, and it sees edits in the weights."""

import numpy as np
import pytest
import torch
from tiny_omni import CHOICE, noise
from transformers import CompileConfig

from esn_interp.errors import EditError
from esn_interp.models.decoding import static_cache, untraced
from esn_interp.models.edits import Edit

CLIPS = noise(0.7, 1.3)
EDITS = [Edit(layer, np.arange(0, 24, 2), gain=2.0) for layer in range(3)]


def test_a_compiled_step_has_no_breaks_and_writes_the_same(tiny_lm):
    """Compiled here by a backend that keeps the graphs as they are, since there is no accelerator."""
    graphs = []

    def backend(module, inputs):
        graphs.append(module)
        return module.forward

    config = CompileConfig(backend=backend, mode=None, fullgraph=True)
    config._compile_all_devices = True
    inputs = tiny_lm._inputs(CLIPS, CHOICE)
    write = tiny_lm.model.generate
    arguments = {**inputs.tensors, "do_sample": False, "max_new_tokens": 8}
    static = static_cache(tiny_lm.model, prompt=inputs.tensors["input_ids"].shape[1], max_new_tokens=8)
    assert static["max_cache_len"] == 256

    def written(edits, **more):
        fn = untraced(tiny_lm.model, write) if more else write
        return tiny_lm._run(fn, arguments | more, inputs.scopes, edits, plan="scaled")

    for edits in ((), EDITS, ()):
        compiled = written(edits, **static, compile_config=config)
        assert torch.equal(compiled, written(edits))
    assert len(graphs) == 1  # and it stays, whatever is edited
    assert not torch.equal(written(EDITS), written(()))


def test_edits_that_need_a_trace_are_refused(tiny_lm):
    shifted = [Edit(0, np.array([1]), shift=0.5)]
    with pytest.raises(EditError, match="shifts gates"):
        tiny_lm.generate(CLIPS, CHOICE, edits=shifted, compiled=True)
