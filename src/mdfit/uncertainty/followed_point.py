"""The simulations behind a likelihood of measurements at one state point: renewed where chains have too few frames."""

from __future__ import annotations

from collections.abc import Sequence

from mdfit.errors import NeighborListError, SimulationError, TrainingError
from mdfit.measurements import Measurement
from mdfit.models import ModelSet, Parameters
from mdfit.potentials import Potential
from mdfit.reweighting import PooledFrames, PoolState, SimulationPool
from mdfit.uncertainty.measured_point import MeasuredPoint, effective_size_of

#: Of the frames that a chain must have at the start of an update, the part that it must still have within it.
REACH = 0.2


class FollowedPoint:
    """One state point: its simulations, and what was measured there."""

    def __init__(
        self, pool: SimulationPool, measured: Sequence[tuple[Measurement, float]], reuse: float, fewest: float
    ):
        self.pool, self._reuse, self._fewest = pool, reuse, fewest
        self.measurements, self.shares = [m for m, _ in measured], [share for _, share in measured]
        self._measured: tuple[PooledFrames, MeasuredPoint] | None = None

    def measured(self, model: Potential, state: PoolState) -> MeasuredPoint:
        """The frames as a function of models like this one."""
        pooled = self.pool.frames(state, Parameters.of(model))
        if self._measured is None or self._measured[0] is not pooled:
            beta = self.pool.ensemble.beta
            least = REACH * self._reuse * pooled.each
            point = MeasuredPoint.of(pooled, beta, self.measurements, self.shares, least)
            self._measured = (pooled, point)
        return self._measured[1]

    def filled(self, parameters: Sequence[Parameters], state: PoolState) -> PoolState:
        if not state.is_empty:
            return state
        for place in range(self.pool.places):
            state = self._renewed(parameters[place % len(parameters)], state, place % len(parameters))
        self._check_number(state, parameters[0])
        return state

    def followed(self, models: ModelSet, state: PoolState) -> tuple[PoolState, float]:
        """With frames that are worth enough for every chain, and the least ratio over chains."""
        chains = [Parameters.of(models[index]) for index in range(len(models))]
        state = self.filled(chains, state)
        renewed: set[int] = set()
        while True:
            ratios = [self._ratio(chain, state) for chain in chains]
            short = [index for index, ratio in enumerate(ratios) if not ratio >= self._reuse and index not in renewed]
            if not short:
                return state, min(ratios)
            # Its own frames are worth a whole simulation, and places are as many as chains: none loses its own.
            state = self._renewed(chains[short[0]], state, short[0])
            self._check_number(state, chains[short[0]])
            renewed.add(short[0])

    def _ratio(self, parameters: Parameters, state: PoolState) -> float:
        model = parameters.combine()
        point = self.measured(model, state)
        return float(effective_size_of(point, model)) / self.pool.frames(state, parameters).each

    def _renewed(self, parameters: Parameters, state: PoolState, chain: int) -> PoolState:
        try:
            return self.pool.renewed(parameters, state)
        except (SimulationError, NeighborListError) as error:
            raise TrainingError(
                f"Chain {chain} stands at parameters with which a simulation at {self.pool.ensemble.where} fails: {error} "
                "Give a narrower prior, a shorter time step, or a start that fits the measurements."
            ) from error

    def _check_number(self, state: PoolState, parameters: Parameters) -> None:
        """Frames at the limit of renewal must still be worth enough."""
        pooled = self.pool.frames(state, parameters)
        worth = pooled.each / max(pooled.of_energies, 1.0)
        if worth * self._reuse <= self._fewest:
            raise TrainingError(
                f"A simulation at {self.pool.ensemble.where} is worth {worth:.1f} independent frames by its potential "
                f"energies, but more than fewest_samples/reuse = {self._fewest / self._reuse:g} are needed; sample longer, "
                "use more replicas, or ask for fewer samples."
            )
