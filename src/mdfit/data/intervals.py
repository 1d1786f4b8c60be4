"""Whether frames are equally far apart in time: correlations, clocks and trajectories of other programs need it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Intervals that differ by less than this share of the usual one are equal.
TOLERANCE = 1e-4


def regular(times: np.ndarray) -> bool:
    """Whether times increase in equal steps, as far as single precision lets them."""
    return irregular_at(times) is None


def irregular_at(times: np.ndarray) -> int | None:
    """The first frame whose distance in time to the next is not the usual one, or not positive; None without one.

    The usual distance is the median, so that one odd frame at the start does not make all others odd.
    """
    times = np.asarray(times, np.float64)
    if len(times) < 2:
        return None
    steps = np.diff(times)
    odd = ~(np.abs(steps - np.median(steps)) <= _tolerance(times)) | ~(steps > 0)
    return int(np.argmax(odd)) if odd.any() else None


def interval(times: np.ndarray) -> float:
    """The mean distance in time between at least two frames; the caller has made sure that they are regular."""
    return float((times[-1] - times[0]) / (len(times) - 1))


def where_irregular(times: np.ndarray, frame: int, numbers: Sequence[int] | None = None) -> str:
    """Words for a message: which two frames are how far apart, and how far the others are.

    Args:
        times: of the frames in fs.
        frame: which one is not at the usual distance from the next, as :func:`irregular_at` tells.
        numbers: by which the user knows the frames; by default they are counted from 0.
    """
    steps = np.diff(np.asarray(times, np.float64))
    first, second = (frame, frame + 1) if numbers is None else numbers[frame : frame + 2]
    return (
        f"the frames {first} and {second} are {steps[frame]:g} fs apart (at {times[frame]:g} and "
        f"{times[frame + 1]:g} fs), but frames are usually {np.median(steps):g} fs apart"
    )


def runs(times: np.ndarray) -> list[slice]:
    """The longest stretches of frames at equal, positive intervals, in order; each frame is in one of them."""
    times = np.asarray(times, np.float64)
    usual = np.median(np.diff(times)) if len(times) > 1 else 0.0
    tolerance = _tolerance(times)
    found, start = [], 0
    for frame in range(1, len(times)):
        step = times[frame] - times[frame - 1]
        if not (step > 0 and abs(step - usual) <= tolerance):
            found.append(slice(start, frame))
            start = frame
    return [*found, slice(start, len(times))]


def _tolerance(times: np.ndarray) -> float:
    """A share of the usual step, and what rounding to single precision may take: XTC and TRR keep times so."""
    if len(times) < 2:
        return 0.0
    rounding = 2 * np.finfo(np.float32).eps * np.max(np.abs(times))
    return float(TOLERANCE * abs(np.median(np.diff(times))) + rounding)
