"""Who is near whom among points of few dimensions: exact, and the same bits on every machine.

A library multiplies matrices for this, whose last bits depend on the processor and the threads.
Here every distance is a sum of squares in one order, for a box of points at a time, and boxes that
are too far to hold a neighbour are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["marked_neighbours"]

_BOX = 64  # points in a box, at most
_SPARE = 1  # candidates kept beside the neighbours, in numbers of neighbours


def marked_neighbours(points: NDArray[np.float64], k: int, first_marked: int) -> NDArray[np.int64]:
    """Count the marked points among the nearest neighbours of every point.

    Parameters
    ----------
    points
        Shape (n, n_dimensions).
    k
        Neighbours to look at, 1 to n - 1, by Euclidean distance; a point is none of its own. Of
        points that are equally far the earlier ones are nearer.
    first_marked
        Points from this one on are marked.

    Returns
    -------
    Shape (n,).
    """
    n = len(points)
    if not 1 <= k < n:
        msg = f"{k} neighbours among {n} points"
        raise ValueError(msg)
    boxes = _boxes(points, np.arange(n))
    order = np.concatenate(boxes)
    starts = np.cumsum([0, *map(len, boxes)])
    turned = np.ascontiguousarray(points[order].T)
    low = np.minimum.reduceat(turned, starts[:-1], axis=1)
    high = np.maximum.reduceat(turned, starts[:-1], axis=1)
    out = np.zeros(n, dtype=np.int64)
    _marked_neighbours(turned, order, starts, low, high, k, first_marked, out)
    return out


def _boxes(points: NDArray[np.float64], who: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut points in halves, along the dimension in which they spread most, until few are left."""
    if len(who) <= _BOX:
        return [who]
    along = points[who, int(points[who].var(axis=0).argmax())]
    half = np.argpartition(along, len(who) // 2)
    cut = len(who) // 2
    return _boxes(points, who[half[:cut]]) + _boxes(points, who[half[cut:]])


@njit(cache=True, nogil=True)
def _to_points(turned, i, start, stop, out):  # type: ignore[no-untyped-def]
    """Write the squared distances of a point to those of a box."""
    out[: stop - start] = 0.0
    for d in range(turned.shape[0]):
        here, others = turned[d, i], turned[d, start:stop]
        for j in range(stop - start):
            out[j] += (others[j] - here) * (others[j] - here)


@njit(cache=True, nogil=True)
def _to_boxes(turned, i, low, high, out):  # type: ignore[no-untyped-def]
    """Write how near a point of each box can be at most, squared.

    Summed like the distances to points, so that no rounding makes a box further than its points.
    """
    out[:] = 0.0
    for d in range(turned.shape[0]):
        here, least, most = turned[d, i], low[d], high[d]
        for j in range(len(out)):
            beside = max(max(least[j] - here, here - most[j]), 0.0)
            out[j] += beside * beside


@njit(cache=True, nogil=True)
def _keep_nearest(distance, who, n, k):  # type: ignore[no-untyped-def]
    """Move the k nearest of n candidates to the front; return the largest distance among them."""
    limit = np.partition(distance[:n], k - 1)[k - 1]
    room = k
    for j in range(n):
        room -= distance[j] < limit
    at_limit = np.sort(who[:n][distance[:n] == limit])[:room]
    kept = 0
    for j in range(n):
        if distance[j] < limit:
            distance[kept], who[kept] = distance[j], who[j]
            kept += 1
    for j in range(room):
        distance[kept + j], who[kept + j] = limit, at_limit[j]
    return limit


@njit(cache=True, nogil=True)
def _marked_neighbours(  # type: ignore[no-untyped-def]
    turned, order, starts, low, high, k, first_marked, out
):
    n_boxes = len(starts) - 1
    capacity = (_SPARE + 1) * k + _BOX
    distance, who = np.empty(capacity), np.empty(capacity, dtype=np.int64)
    near, box = np.empty(n_boxes), np.empty(_BOX)
    middle = (low + high) / 2
    for own in range(n_boxes):
        # The nearest boxes first: they soon say how far a neighbour is at most.
        _to_boxes(middle, own, low, high, near)
        visits = np.argsort(near)
        for i in range(starts[own], starts[own + 1]):
            _to_boxes(turned, i, low, high, near)
            held, limit = 0, np.inf
            for b in visits:
                if near[b] > limit:
                    continue
                start, stop = starts[b], starts[b + 1]
                _to_points(turned, i, start, stop, box)
                for j in range(stop - start):
                    if box[j] <= limit and start + j != i:
                        distance[held], who[held] = box[j], order[start + j]
                        held += 1
                if held > capacity - _BOX:
                    limit = _keep_nearest(distance, who, held, k)
                    held = k
            _keep_nearest(distance, who, held, k)
            for j in range(k):
                out[order[i]] += who[j] >= first_marked
