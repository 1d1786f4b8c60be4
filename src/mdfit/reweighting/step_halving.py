"""Steps shortened so that reweighting stays possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mdfit.models import Parameters, part_of_step

#: Steps are halved at most so often to keep the effective size.
MOST_HALVINGS = 16


def largest_fraction(size: Callable[[Parameters], float], parameters: Parameters, proposed: Any, least: float) -> float:
    """How much of the step to the ``proposed`` trained parameters leaves at least ``least`` effective frames.

    The step is halved until it does (S. Fuchs et al., Comput. Phys. Commun. 310, 109512 (2025),
    doi:10.1016/j.cpc.2025.109512, divide the interval more finely, which needs many more evaluations).
    """
    fraction = 1.0
    for _ in range(MOST_HALVINGS):
        trained = part_of_step(parameters.trained, proposed, fraction)
        # A comparison with NaN is false.
        if size(parameters._replace(trained=trained)) >= least:
            break
        fraction /= 2
    return fraction
