"""Find the neurons of a speech language model that carry emotion, and prove that they are causal.

    import esn_interp as esn

    lm = esn.load("toy-omni")
    valid, ident, evaluate = esn.corpus("toy-studio").split()
    esns = esn.select(esn.collect(lm, ident), "mad", top=0.02)
    esn.ablation(lm, evaluate, esns).plot()
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("esn-interp")

# The public names and where they live stand in the stub beside this file, for type checkers and for this line alike.
# They are imported on first use: torch, transformers and nnsight take seconds to import, and `esn --help` or a
# mistyped path should not wait for them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
