"""Gene names and gene sets: what they are, how they are read and aligned, what is shipped."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
