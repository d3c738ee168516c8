"""Time and dose: units, BED and EQD2 of the linear-quadratic model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


__all__ = ["DAYS_PER_UNIT", "LQ_CAUTION_GY", "LQ_LIMIT_GY", "bed", "eqd2", "to_days"]

DAYS_PER_UNIT: Final = {"h": 1 / 24, "d": 1.0, "w": 7.0, "mo": 30.4375}
"""Days in an hour, day, week and mean month (365.25 / 12)."""

LQ_CAUTION_GY: Final = 10.0
"""Dose a fraction, Gy, above which the linear-quadratic model is contested (Brenner 2008)."""

LQ_LIMIT_GY: Final = 18.0
"""Dose a fraction, Gy, above which nobody vouches for it."""


def to_days(time: ArrayLike, unit: ArrayLike) -> NDArray[np.float64]:
    """Convert times to days.

    Parameters
    ----------
    time
        Numbers; NaN stays NaN.
    unit
        ``h``, ``d``, ``w`` or ``mo``, one for all or one each; ignored where the time is NaN.

    Returns
    -------
    Days, shape of ``time``.

    Raises
    ------
    KeyError
        An unknown unit where there is a time.

    Examples
    --------
    >>> to_days([36, 2], ["h", "w"]).tolist()
    [1.5, 14.0]
    """
    times, units = np.broadcast_arrays(
        np.asarray(time, dtype=float), np.asarray(unit, dtype=object)
    )
    factor = [
        np.nan if np.isnan(t) else DAYS_PER_UNIT[u]
        for t, u in zip(times.ravel(), units.ravel(), strict=True)
    ]
    days: NDArray[np.float64] = times * np.reshape(factor, times.shape)
    return days


def bed(dose_gy: ArrayLike, n_fractions: ArrayLike, alpha_beta: ArrayLike) -> NDArray[np.float64]:
    r"""Biologically effective dose.

    .. math:: \mathrm{BED} = D \left(1 + \frac{D / n}{\alpha/\beta}\right)

    without a term for repopulation. It equates cell kill; nothing shows that it predicts
    senescence, so physical dose stays the primary axis.

    Parameters
    ----------
    dose_gy
        Total dose :math:`D`, Gy.
    n_fractions
        Number :math:`n` of equal fractions.
    alpha_beta
        :math:`\alpha/\beta`, Gy: 10 is usual for tumour and early-reacting, 3 for late-reacting
        tissue, 2 for the central nervous system.

    Returns
    -------
    Gy, broadcast shape; NaN where anything is missing.

    References
    ----------
    Fowler 1989, Br J Radiol 62:679.

    Examples
    --------
    >>> round(float(bed(60, 30, 10)), 2)
    72.0
    """
    dose = np.asarray(dose_gy, dtype=float)
    fraction = dose / np.asarray(n_fractions, dtype=float)
    result: NDArray[np.float64] = dose * (1 + fraction / np.asarray(alpha_beta, dtype=float))
    return result


def eqd2(dose_gy: ArrayLike, n_fractions: ArrayLike, alpha_beta: ArrayLike) -> NDArray[np.float64]:
    r"""Dose in 2 Gy fractions with the same BED: :math:`\mathrm{BED} / (1 + 2/(\alpha/\beta))`.

    Parameters and units as in :func:`bed`.

    Examples
    --------
    >>> round(float(eqd2(40, 8, 3)), 2)
    64.0
    """
    ratio = np.asarray(alpha_beta, dtype=float)
    result: NDArray[np.float64] = bed(dose_gy, n_fractions, ratio) / (1 + 2 / ratio)
    return result
