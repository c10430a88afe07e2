"""From effects to results: frozen dataclasses that plot, tabulate, save and summarise themselves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["inside"])
