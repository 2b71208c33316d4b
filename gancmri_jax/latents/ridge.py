"""Ridge regression of numbers on codes, of any number of hearts, in passes over chunks of them.

The ridge is the one with the least leave-one-heart-out error. All of it follows from the principal
axes of the codes: from their products with one another where codes are fewer than their dimensions,
and else from their covariance.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

_RIDGES = np.logspace(-3, 2, 26)  # of the mean square of the codes
_LEAST = 1e-12  # of the largest variance: axes with less are those of rounding

# Centred codes and centred numbers of some hearts, whole hearts in each chunk.
Pair = tuple[Float[np.ndarray, "rows d"], Float[np.ndarray, "rows k"]]
Pairs = Callable[[], Iterator[Pair]]


class Ridge(NamedTuple):
    """A fit of y over centred codes x: the prediction for a code x is x `slope`.

    Attributes:
        axes: Principal axes of the codes.
        squares: Sums of squares of the codes along them.
        products: Sums of products of the codes along them with y.
        amount: The ridge.
        explained: Cross-validated R² of y over hearts; below 0, the mean would do better. 0 where y
            or the codes do not vary.
    """

    axes: Float[np.ndarray, "d r"]
    squares: Float[np.ndarray, "r"]
    products: Float[np.ndarray, "r k"]
    amount: float
    explained: float

    @property
    def slope(self) -> Float[np.ndarray, "d k"]:
        """How y grows with each number of a code."""
        return self.axes @ (self.products / (self.squares + self.amount)[:, None])

    def strongest(
        self, rank: int
    ) -> tuple[Float[np.ndarray, "d rank"], Float[np.ndarray, "rank k"]]:
        """Return the fit's strongest responses (Izenman 1975).

        Returns:
            Axes along which the squared scores of all codes sum to 1, and what a score of 1 adds
            to y. Both are 0 where the fit has a lower rank.
        """
        shrunk = 1 / (self.squares + self.amount)
        by_axis = np.sqrt(self.squares) * shrunk  # times `products`: as long as x slope
        between = by_axis[:, None] * (self.products @ self.products.T) * by_axis
        values, left = np.linalg.eigh(between)
        values, left = values[::-1][:rank], left[:, ::-1][:, :rank]
        axes = np.zeros((len(self.axes), rank))
        responses = np.zeros((rank, self.products.shape[1]))
        for index, value in enumerate(values):
            if value <= _LEAST * values[0]:
                break
            right = (left[:, index] * by_axis) @ self.products / np.sqrt(value)
            right *= np.sign(right[np.argmax(np.abs(right))])  # one of two, whatever the chunks
            along = shrunk * (self.products @ right)
            length = np.sqrt(self.squares @ np.square(along))  # of the scores of all codes
            axes[:, index] = self.axes @ (along / length)
            responses[index] = right * length
        return axes, responses


def ridge(pairs: Pairs, num_rows: int, rows_a_heart: int = 1) -> Ridge:
    """Fit y over codes x.

    Args:
        pairs: Reads x and y, both centred over all rows, chunk by chunk, anew for each of three
            passes.
        num_rows: Rows of all chunks together.
        rows_a_heart: Rows that belong together, one heart's after another's.
    """
    squares, axes = _principal_axes(pairs, num_rows)
    products, size = np.zeros((0, 0)), 0.0
    for x, y in pairs():
        if not products.size:
            products = np.zeros((len(squares), y.shape[1]))
        products += (x @ axes).T @ y
        size += float(np.square(y).sum())
    scale = float(squares.sum()) / num_rows
    if scale == 0 or size == 0:
        return Ridge(axes, squares, products, 0.0 if scale else 1.0, 0.0)
    amounts = _RIDGES * scale
    errors = _left_out_errors(pairs, axes, squares, products, amounts, num_rows, rows_a_heart)
    best = int(np.argmin(errors))
    return Ridge(axes, squares, products, float(amounts[best]), 1 - float(errors[best]) / size)


def _principal_axes(
    pairs: Pairs, num_rows: int
) -> tuple[Float[np.ndarray, "r"], Float[np.ndarray, "d r"]]:
    """Return the sums of squares of codes along their principal axes, and these axes."""
    few: list[np.ndarray] = []
    covariance = None
    for x, _ in pairs():
        if num_rows <= x.shape[1]:
            few.append(x)
        else:
            covariance = np.zeros((x.shape[1],) * 2) if covariance is None else covariance
            covariance += x.T @ x
    if covariance is not None:
        values, axes = scipy.linalg.eigh(covariance, overwrite_a=True, driver="evr")
        kept = values > _LEAST * max(values[-1], 0.0)
        return values[kept], axes[:, kept]
    x = np.concatenate(few)
    values, left = np.linalg.eigh(x @ x.T)
    kept = values > _LEAST * max(values[-1], 0.0)
    return values[kept], x.T @ (left[:, kept] / np.sqrt(values[kept]))


def _left_out_errors(
    pairs: Pairs,
    axes: Float[np.ndarray, "d r"],
    squares: Float[np.ndarray, "r"],
    products: Float[np.ndarray, "r k"],
    amounts: Float[np.ndarray, "ridges"],
    num_rows: int,
    rows_a_heart: int,
) -> Float[np.ndarray, "ridges"]:
    """Return the squared error of hearts that are left out, for each ridge.

    What leaving a heart out adds to the residuals e of its rows is known from its rows' own share H
    of the fit: they become (1 − H)⁻¹ e, H holding 1/n for the centring. The products e eᵀ are
    computed from those of y with the fit, so that no residual as long as y is made for each ridge.
    """
    between = products @ products.T
    errors = np.zeros(len(amounts))
    for x, y in pairs():
        rows = x @ axes
        along, of_fit, y = (
            array.reshape(-1, rows_a_heart, array.shape[1]) for array in (rows, y @ products.T, y)
        )  # [hearts rows_a_heart r or k]
        of_y = y @ y.swapaxes(1, 2)
        for index, amount in enumerate(amounts):
            shrunk = along / (squares + amount)
            fitted = (rows / (squares + amount)) @ between
            crossed = of_fit @ shrunk.swapaxes(1, 2)
            fitted = fitted.reshape(along.shape) @ shrunk.swapaxes(1, 2)
            missed = of_y - crossed - crossed.swapaxes(1, 2) + fitted
            rest = np.eye(rows_a_heart) - shrunk @ along.swapaxes(1, 2) - 1 / num_rows
            inverse = np.linalg.inv(rest)
            errors[index] += np.sum((inverse @ missed) * inverse)
    return errors
