"""What the model is asked, and what it answers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["judges"])
