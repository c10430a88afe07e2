"""The same work with other tools: plain PyTorch hooks, nnsight, pyvene, TransformerLens; each in its own words."""

from collections.abc import Callable
from importlib import import_module

from benchmarks.models import Made
from benchmarks.peers.base import Batch, Peer, Unable
from benchmarks.peers.hooks import Hooks, Plain, Reading
from benchmarks.peers.nnsight_plain import PlainNNsight
from benchmarks.peers.ours import Ours

__all__ = ["Batch", "Hooks", "Ours", "Peer", "Plain", "Reading", "peers"]


def peers(make: Callable[[], Made]) -> tuple[list[Peer], dict[str, str]]:
    """Every tool over a model of its own with the same weights, the plain model first; and which are not here.

    A tool changes the modules that it works on, so none shares them with another.
    """
    found: list[Peer] = [Plain(make()), Hooks(make()), PlainNNsight(make())]
    missing: dict[str, str] = {}
    for name, module in {"pyvene": "pyvene_peer", "TransformerLens": "lens"}.items():
        try:
            found.append(import_module(f"benchmarks.peers.{module}").over(make()))
        except ImportError as error:
            missing[name] = f"not installed ({error.name})"
        except Unable as reason:
            missing[name] = str(reason)
    return found, missing
