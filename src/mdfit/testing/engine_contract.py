"""What every engine must satisfy, as functions that raise ``AssertionError`` with the numbers that are off.

The system is one whose answer is known: atoms without interactions, each held by a spring.  In a test suite::

    import pytest
    from mdfit.testing import ENGINE_CONTRACT, EngineCase

    @pytest.mark.parametrize("check", ENGINE_CONTRACT, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(EngineCase(MyEngine(), system, StatePoint(...), Langevin("1 fs", "20 /ps"), spring=2.0), tmp_path)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mdfit.errors import CheckpointError, SimulationError
from mdfit.observables.statistics import error_of_mean
from mdfit.progress import Bar
from mdfit.simulate import Engine, Frame, Langevin, Simulation, StatePoint, Trajectory, run
from mdfit.structure import Structure
from mdfit.units import BOLTZMANN, FEMTOSECOND

#: Standard errors by which a mean may be off: by chance once in 16,000 checks.
TOLERATED = 4.0
_KEY = jax.random.key(11)


@dataclass(frozen=True)
class EngineCase:
    """An engine, and independent harmonic oscillators for it.

    Attributes:
        engine: to be checked.
        system: for the engine: U = Σ_i spring/2 ‖r_i − r_i⁰‖² over all atoms, which do not interact.
        at: eight atoms or more, resting at r⁰, in free space or in a cell much wider than they move.
        sampler: of constant temperature, with a time step of at most a thirtieth of the period of the lightest atom, and a
            friction that is about critical.
        spring: in eV/Å².
        exact: whether a run that goes on gives the same numbers bit for bit; False tolerates rounding of sums.

    Example:
        >>> from mdfit import StatePoint, Structure
        >>> from mdfit.potentials import ExternalPolynomial
        >>> from mdfit.simulate import JaxMD, Langevin
        >>> from mdfit.testing import ENGINE_CONTRACT, EngineCase
        >>> x, y, z = (ExternalPolynomial(axis, 0.0, [0, 0, 0.75]) for axis in range(3))
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]] * 8, masses=40.0), "300 K")
        >>> case = EngineCase(JaxMD(), x + y + z, at, Langevin("2 fs", "60 /ps"), spring=1.5)
        >>> case.exact, ENGINE_CONTRACT[0].__name__
        (True, 'ensemble_of_every_state_point')
    """

    engine: Engine
    system: Any
    at: StatePoint
    sampler: Langevin
    spring: float
    exact: bool = True

    def run(self, steps: int, every: int = 1, **settings: Any) -> Any:
        """A run of so many time steps."""
        timestep = self.sampler.timestep_fs
        chosen = {"engine": self.engine, "key": _KEY, "sampler": self.sampler, "at": self.at, **settings}
        return run(self.system, duration=steps * timestep, every=every * timestep, **chosen)


def check_engine(case: EngineCase, folder: Path) -> None:
    """All checks, one after the other, which write into ``folder``."""
    for check in ENGINE_CONTRACT:
        check(case, folder)


def ensemble_of_every_state_point(case: EngineCase, folder: Path) -> None:
    """Side by side, replicas have the energies of their own temperatures, U = K = 3/2 N k_B T."""
    hot = StatePoint(case.at.structure, 2 * case.at.temperature)
    found = case.run(6000, 10, equilibrate=200 * case.sampler.timestep_fs, at=[case.at, hot], replicas=2)
    for trajectory, temperature in zip(found, (case.at.temperature, 2 * case.at.temperature), strict=True):
        assert trajectory.temperature == temperature
        assert trajectory.replicas == 2
        exact = 1.5 * len(trajectory.species) * BOLTZMANN * temperature
        _mean(trajectory.potential_energies, exact, "potential energy")
        if not np.isnan(trajectory.velocities).any():
            _mean(trajectory.kinetic_energies, exact, "kinetic energy")


def units_of_what_is_recorded(case: EngineCase, folder: Path) -> None:
    """Positions, energies, forces, velocities and times belong to the same oscillators."""
    gentle = dataclasses.replace(case.sampler, friction=1e-3)
    found: Trajectory = case.run(60, 1, sampler=gentle, at=_displaced(case))
    places = found.positions.astype(np.float64)
    away = places - case.at.structure.positions
    np.testing.assert_allclose(
        found.potential_energies, 0.5 * case.spring * np.sum(away**2, axis=(2, 3)), rtol=1e-3, err_msg="energies in eV"
    )
    step = case.sampler.timestep_fs
    np.testing.assert_allclose(found.times, step * np.arange(1, 61), rtol=1e-6, err_msg="times in fs")
    # Friction is weak: atoms obey Newton's equation to second order of the time step.
    scale = found.masses[:, None] / (step * FEMTOSECOND) ** 2
    acting = (places[:, 2:] - 2 * places[:, 1:-1] + places[:, :-2]) * scale
    _proportional(acting, -case.spring * away[:, 1:-1], "mass times acceleration")
    if found.forces is not None:
        np.testing.assert_allclose(
            found.forces, -case.spring * away, atol=2e-4 * case.spring * np.abs(away).max(), err_msg="forces in eV/Å"
        )
    if not np.isnan(found.velocities).any():
        moved = (places[:, 2:] - places[:, :-2]) / (2 * step * FEMTOSECOND)
        _proportional(found.velocities[:, 1:-1], moved, "velocities")


def replicas_are_independent(case: EngineCase, folder: Path) -> None:
    """Each has its own noise, and the random key decides it."""
    first, other = case.run(20, 20, replicas=2).positions[:, -1]
    assert np.abs(first - other).max() > 0, "two replicas move alike"
    again = case.run(20, 20, replicas=2).positions[0, -1]
    np.testing.assert_allclose(again, first, atol=0 if case.exact else 1e-4, err_msg="the same random key")
    new = case.run(20, 20, replicas=2, key=jax.random.key(12)).positions[0, -1]
    assert np.abs(new - first).max() > 0, "another random key gives the same motion"


def a_killed_run_goes_on(case: EngineCase, folder: Path) -> None:
    """Wherever it is killed, the trajectory is that of a run that was not; a longer one prolongs it."""
    settings = {"equilibrate": 150 * case.sampler.timestep_fs, "replicas": 2}
    whole = case.run(40, 5, **settings)
    for kill in (2, 4, 9):
        out = folder / f"killed_{kill}.h5"
        try:
            case.run(40, 5, out=out, **{**settings, "engine": _Mortal(case.engine, kill)})
        except _Killed:
            pass
        else:
            raise AssertionError("the run was not killed: it asks the simulation to advance less often than expected")
        _same(case.run(40, 5, out=out, **settings), whole, case.exact)
    out = folder / "prolonged.h5"
    case.run(20, 5, out=out, **settings)
    _same(case.run(40, 5, out=out, **settings), whole, case.exact)
    _raises(CheckpointError, lambda: case.run(40, 5, out=out, **{**settings, "key": jax.random.key(12)}))


def explosions_are_errors(case: EngineCase, folder: Path) -> None:
    """A time step beyond the limit of stability ends in an error, and frames before it are kept."""
    fastest = 2 / np.sqrt(case.spring / case.at.structure.masses.min()) / FEMTOSECOND
    wild = dataclasses.replace(case.sampler, timestep=4 * fastest, friction=1e-3)
    _raises(
        SimulationError,
        lambda: run(
            case.system, case.at, wild, duration=4000 * fastest, every=4 * fastest, key=_KEY, engine=case.engine
        ),
    )


def what_cannot_be_simulated_is_refused(case: EngineCase, folder: Path) -> None:
    """Unknown samplers and other atoms are one clear error before anything moves."""
    _raises(SimulationError, lambda: case.run(1, sampler=_Unknown()))
    other = case.at.structure.replace(species=case.at.structure.species + 1)
    _raises(SimulationError, lambda: case.run(1, starts=[other]))


#: All checks.
ENGINE_CONTRACT: tuple[Callable[[EngineCase, Path], None], ...] = (
    ensemble_of_every_state_point,
    units_of_what_is_recorded,
    replicas_are_independent,
    a_killed_run_goes_on,
    explosions_are_errors,
    what_cannot_be_simulated_is_refused,
)


class _Unknown:
    ensemble, conserves_momentum, timestep_fs = "NVT", False, 1.0


class _Killed(BaseException):
    pass


class _Mortal(Engine):
    """An engine whose process dies before its simulation advances for the n-th time."""

    name = ""

    def __init__(self, engine: Engine, advances: int):
        self._engine, self._advances = engine, advances
        self.name = engine.name

    @property
    def number_format(self) -> str:
        return self._engine.number_format

    def fingerprint(self, system: Any) -> str:
        return self._engine.fingerprint(system)

    def simulation(
        self, system: Any, state_points: Sequence[StatePoint], sampler: Any, starts: Sequence[Structure]
    ) -> Simulation:
        return _MortalSimulation(self._engine.simulation(system, state_points, sampler, starts), self._advances)


class _MortalSimulation(Simulation):
    def __init__(self, inner: Simulation, advances: int):
        self._inner, self._left = inner, advances
        self.particles = inner.particles

    @property
    def done(self) -> int:  # type: ignore[override]
        return self._inner.done

    def begin(self, key: jax.Array) -> None:
        self._inner.begin(key)

    def advance(self, steps: int, bar: Bar) -> None:
        self._left -= 1
        if self._left < 0:
            raise _Killed
        self._inner.advance(steps, bar)

    def frame(self) -> Frame:
        return self._inner.frame()

    def checkpoint(self) -> Any:
        return self._inner.checkpoint()

    def restore(self, arrays: dict[str, np.ndarray], source: Path) -> None:
        self._inner.restore(arrays, source)


def _displaced(case: EngineCase) -> StatePoint:
    """Springs stretched as at the temperature, in one direction each."""
    structure = case.at.structure
    size = np.sqrt(BOLTZMANN * case.at.temperature / case.spring)
    away = np.random.default_rng(0).normal(0, size, structure.positions.shape)
    still = np.zeros_like(structure.positions)
    return StatePoint(structure.replace(positions=structure.positions + away, velocities=still), case.at.temperature)


def _mean(series: np.ndarray, exact: float, what: str) -> None:
    error, _ = error_of_mean(series[..., None].astype(np.float64))
    off = (series.mean() - exact) / error[0]
    assert abs(off) < TOLERATED, f"{what}: {series.mean():.5g} ± {error[0]:.2g} eV where {exact:.5g} eV are exact"


def _proportional(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    slope = np.sum(found * expected) / np.sum(expected**2)
    assert abs(slope - 1) < 0.03, f"{what}: {slope:.4g} times what it should be"


def _same(found: Trajectory, whole: Trajectory, exact: bool) -> None:
    assert len(found) == len(whole), f"{len(found)} frames where {len(whole)} were asked for"
    for name in ("positions", "velocities", "potential_energies", "cells"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(whole, name), atol=0 if exact else 1e-4, rtol=0, err_msg=name
        )


def _raises(kind: type[Exception], work: Callable[[], Any]) -> None:
    try:
        work()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__} was raised")
