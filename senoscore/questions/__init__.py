"""Questions of a study: arm against arm, drugs, regions, and what the answers say in words."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
