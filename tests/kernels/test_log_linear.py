"""The log-linear model against a generalised linear model that is fitted elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from senoscore.kernels import log_linear_slopes


def table(n: int = 3000, m: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, n)
    y = np.abs(rng.normal(size=(n, m))) * np.exp(np.linspace(-0.5, 0.8, m) * x[:, None])
    return y, x


def test_slopes_are_those_of_a_poisson_regression() -> None:
    from sklearn.linear_model import PoissonRegressor

    y, x = table()
    for column, slope in zip(y.T, log_linear_slopes(y, x), strict=True):
        model = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10)
        assert slope == pytest.approx(model.fit(x[:, None], column).coef_[0], rel=1e-7)


def test_a_missing_number_is_left_out_of_its_column() -> None:
    y, x = table()
    gone = np.arange(len(x)) % 7 == 0
    missing = y.copy()
    missing[gone, 1] = np.nan
    slopes = log_linear_slopes(missing, x)
    np.testing.assert_array_equal(np.delete(slopes, 1), np.delete(log_linear_slopes(y, x), 1))
    assert slopes[1] == pytest.approx(log_linear_slopes(y[~gone, 1:2], x[~gone])[0], rel=1e-9)


def test_layout_does_not_matter() -> None:
    y, x = table()
    np.testing.assert_array_equal(
        log_linear_slopes(np.asfortranarray(y), x), log_linear_slopes(y, x)
    )


@pytest.mark.parametrize("case", ["all zero", "nothing known", "one x", "one row", "no row"])
def test_without_a_trend_the_slope_is_0(case: str) -> None:
    y, x = table(10, 2)
    if case == "all zero":
        y[:] = 0
    elif case == "nothing known":
        y[:] = np.nan
    elif case == "one x":
        x[:] = 3.0
    elif case == "one row":
        y[1:] = np.nan
    else:
        y, x = y[:0], x[:0]
    np.testing.assert_array_equal(log_linear_slopes(y, x), [0.0, 0.0])
