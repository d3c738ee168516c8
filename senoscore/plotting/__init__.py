"""Figures (``sen.pl``): each takes a tidy table of a run and returns an altair chart.

Every function has a twin ``*_table`` that returns the plotted numbers. Charts carry a text
for each mark, which shows as a tooltip and is read aloud, and no address: they render
offline.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
