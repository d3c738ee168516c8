"""The call that learns: kernels that know arrays, not AnnData.

``programme`` learns gene weights from sufficient statistics, ``nuisance`` judges what was learnt,
``pooled_null`` turns scores into p-values, ``kinds`` tests several kinds of evidence together,
``prevalence`` says how much. ``learned`` puts them in order.
"""

from __future__ import annotations
