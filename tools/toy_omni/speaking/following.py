"""After the thinker has learnt more, its talker hears it as before: a linear map from new thoughts to old.

The talker's only door is one linear layer. It is solved anew so that what passes it for a clip and a request is as near
as possible (least squares) to what passed it when the talker learnt to speak; the rest of the talker stays as it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from toy_omni.speaking.thoughts import Thought

RIDGE = 1e-6  # of the mean variance of the new states, of which small differences tell as much as large ones


def states(thoughts: Sequence[Thought]) -> Tensor:
    """[token, hidden] of all of them, prompts and replies."""
    return torch.cat([part for thought in thoughts for part in (thought.prompt, thought.reply)]).double()


def follow(door: nn.Linear, old: Tensor, new: Tensor) -> float:
    """Solve `door` in place; the share of the variance of what passed before that passes again."""
    with torch.no_grad():
        wanted = old @ door.weight.double().T + door.bias.double()
        centre, target = new.mean(0), wanted.mean(0)
        inputs, outputs = new - centre, wanted - target
        penalty = RIDGE * inputs.pow(2).mean() * len(inputs)
        gram = inputs.T @ inputs + penalty * torch.eye(inputs.shape[1], dtype=inputs.dtype)
        weight = torch.linalg.solve(gram, inputs.T @ outputs).T
        door.weight.copy_(weight)
        door.bias.copy_(target - weight @ centre)
        missed = outputs - inputs @ weight.T
        return float(1 - missed.pow(2).sum() / outputs.pow(2).sum())
