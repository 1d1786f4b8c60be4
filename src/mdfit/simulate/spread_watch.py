"""Does a simulation stay where the data know its potential?"""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np

from mdfit.errors import ExtrapolationError, SimulationError
from mdfit.potentials import KnownSpread
from mdfit.simulate.engine import Frame
from mdfit.simulate.trajectory import SPREADS

log = logging.getLogger(__name__)

#: Of the spreads of structures.
SPREAD_UNITS = {"forces": "eV/Å", "energy": "eV per atom", "virial": "eV per atom"}

#: What a run does beyond.
WhenUnsure = Literal["warn", "stop"]


class SpreadWatch:
    """Compares the spreads of forces, energies and virials of each frame with the largest ones that the data know.

    Args:
        known: these; None where they are not known, so that nothing is compared.
        when_unsure: whether frames beyond are told of, or end the run.

    Attributes:
        beyond: frames so far, of any replica, that were beyond.

    Raises:
        SimulationError: for anything else to do beyond, or to stop at a limit that is not known.
    """

    def __init__(self, known: KnownSpread | None, when_unsure: WhenUnsure):
        if when_unsure not in ("warn", "stop"):
            raise SimulationError(f"when_unsure is 'warn' or 'stop', not {when_unsure!r}.")
        if when_unsure == "stop" and known is None:
            raise SimulationError(
                "The potential does not know its spread on validation data, so that no run can stop beyond it: give a set "
                "of potentials, made with mdfit.uncertainty.with_known_spread, or leave out when_unsure='stop'."
            )
        self._known, self._stops = known, when_unsure == "stop"
        self.beyond = 0

    def look(self, frame: Frame, time: float) -> None:
        """At the frame of a time in fs.

        Raises:
            ExtrapolationError: when it is beyond and the run is to stop there.
        """
        limits = {} if self._known is None else self._known._asdict()
        told = {kind: limit for kind, limit in limits.items() if limit is not None and SPREADS[kind] in frame}
        if not told:
            return
        # A spread that is not a number is no small one.
        ratios = np.stack([np.nan_to_num(frame[SPREADS[kind]] / limit, nan=np.inf) for kind, limit in told.items()])
        number = int(np.sum(ratios.max(axis=0) > 1))
        if not number:
            return
        place, replica = (int(i) for i in np.unravel_index(np.argmax(ratios), ratios.shape))
        kind = tuple(told)[place]
        found, unit = frame[SPREADS[kind]][replica], SPREAD_UNITS[kind]
        text = (
            f"At {time:.3f} fs the spread of the {kind} is {found:.3g} {unit} in replica {replica}, more than the "
            f"{told[kind]:.3g} {unit} of validation data: the simulation has left what the data know."
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
            log.warning("In %d of %d frames the spread was beyond what the data know.", self.beyond, frames)
