"""Where new chains begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mdfit.objectives.relative_entropy.mapped_ensemble import MappedEnsemble
from mdfit.reweighting import Reweighted, Samples, Starts, systematic_resampling

Start = Literal["last", "weights", "reference"]


@dataclass(frozen=True, eq=False)
class ChainStarts:
    """Starts of the chains of one state point.

    Attributes:
        reference: frames to start from.
        chains: how many.
        kind: where the chains ended, at frames drawn by their weights, or at frames of the reference.
        spread: whether the first chains start in all strata of the reference alike.
    """

    reference: MappedEnsemble
    chains: int
    kind: Start
    spread: bool

    def next(self, samples: Samples, before: Reweighted | None, seed: int) -> Starts | None:
        """Starts of the next chains; None where the last ones ended.

        Args:
            samples: frames of the chains before.
            before: what these say of the present parameters; None for the first chains.
            seed: decides the draw, together with the number of the simulation.
        """
        generator = np.random.default_rng([seed, int(samples.generation)])
        if self.kind == "reference":
            return self.reference.starts(generator, self.chains, stratified=True)
        equal = np.full(self.chains, -np.log(self.chains))
        if before is None:
            return self.reference.starts(generator, self.chains, stratified=self.spread)._replace(log_shares=equal)
        if self.kind == "last":
            return None
        # Of the ensemble that is simulated: a bias is taken back once, by the shares of the new frames.
        chosen = systematic_resampling(before.log_weights - samples.log_shares, self.chains, generator)
        positions, cells = samples.frames.positions, samples.frames.cells
        return Starts(positions.reshape(-1, *positions.shape[2:])[chosen], cells.reshape(-1, 3, 3)[chosen], equal)
