"""Does a simulation stay where the data know its potential?"""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np

from mdfit.errors import ExtrapolationError, SimulationError
from mdfit.simulate.engine import Frame

log = logging.getLogger(__name__)

#: What a run does beyond.
WhenUnsure = Literal["warn", "stop"]


class SpreadWatch:
    """Compares the spread of the forces of each frame with the largest one that the data know.

    Args:
        limit: in eV/Å; None where it is not known, so that nothing is compared.
        when_unsure: whether frames beyond are told of, or end the run.

    Attributes:
        beyond: frames so far, of any replica, that were beyond the limit.

    Raises:
        SimulationError: for anything else to do beyond, or to stop at a limit that is not known.
    """

    def __init__(self, limit: float | None, when_unsure: WhenUnsure):
        if when_unsure not in ("warn", "stop"):
            raise SimulationError(f"when_unsure is 'warn' or 'stop', not {when_unsure!r}.")
        if when_unsure == "stop" and limit is None:
            raise SimulationError(
                "The potential does not know the spread of its forces on validation data, so that no run can stop beyond "
                "it: give a set of potentials, made with mdfit.uncertainty.with_known_spread, or leave out "
                "when_unsure='stop'."
            )
        self._limit, self._stops = limit, when_unsure == "stop"
        self.beyond = 0

    def look(self, frame: Frame, time: float) -> None:
        """At the frame of a time in fs.

        Raises:
            ExtrapolationError: when it is beyond the limit and the run is to stop there.
        """
        if self._limit is None or "force_spreads" not in frame:
            return
        spreads = frame["force_spreads"]
        number = int(np.sum(spreads > self._limit))
        if not number:
            return
        replica = int(np.argmax(spreads))
        text = (
            f"At {time:.3f} fs the spread of the forces is {spreads[replica]:.3g} eV/Å in replica {replica}, more than the "
            f"{self._limit:.3g} eV/Å of validation data: the simulation has left what the data know."
        )
        if self._stops:
            raise ExtrapolationError(
                f"{text} Label structures like this one and train on them, or simulate with when_unsure='warn'; frames up "
                "to here are kept."
            )
        if not self.beyond:
            log.warning("%s", text)
        self.beyond += number

    def end(self, frames: int) -> None:
        """Says how many of so many frames, of all replicas, were beyond the limit."""
        if self.beyond > 1:
            log.warning(
                "In %d of %d frames the spread of the forces was beyond what the data know.", self.beyond, frames
            )
