"""Questions of a study: arms, drugs and regions in words; outcome and what stands beside it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
