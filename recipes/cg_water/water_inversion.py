"""Iterative Boltzmann inversion of the O-O distribution, for comparison.

D. Reith, M. Pütz, F. Müller-Plathe, J. Comput. Chem. 24, 1624 (2003), doi:10.1002/jcc.10307.
"""

from __future__ import annotations

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from water_beads import targets
from water_training import SKIN, Training

from mdfit.objectives.boltzmann_inversion import boltzmann_step
from mdfit.observables import Pressure, estimate
from mdfit.potentials import PairSpline, Sum
from mdfit.recipes.arrays import Layout, load_arrays, save_arrays
from mdfit.simulate import JaxMD, StatePoint, Trajectory, run
from mdfit.storage import write_text

#: What is kept after each simulation.
STATE = {
    "coefficients": Layout(("functions", "coefficients")),
    "record": Layout(("simulations", 2)),
    "positions": Layout(("beads", 3)),
}


def invert(start: Sum, at: StatePoint, training: Training, seed: int, out: Path) -> tuple[Sum, np.ndarray]:
    """As many simulations as ``training`` has updates, each followed by U(r) += kT ln(g(r)/g_measured(r)).

    Args:
        start: a spline, which is changed, and the prior.
        at: the state point.
        training: lengths of the trajectories and their number.
        seed: of velocities and noise.
        out: directory; a run that was interrupted goes on from there.

    Returns:
        The potential after the last correction, and of each simulation the root-mean-square error of the distribution
        and the pressure in bar, ``(simulations, 2)``.
    """
    out.mkdir(parents=True, exist_ok=True)
    radial = targets(at, training.pressure_weight)[0]
    spline, prior = start.terms
    record = np.zeros((0, 2))
    done = sorted(out.glob("*.npz"))
    if done:
        kept = load_arrays(done[-1], STATE)
        spline, record = _with(spline, kept["coefficients"]), kept["record"]
        at = _moved(at, kept["positions"])
    for simulation in range(len(done), training.updates):
        trajectory = _simulated(spline + prior, at, training, jax.random.key(seed * 1000 + simulation), not len(record))
        found = np.asarray(estimate(radial.observable, trajectory).value)
        pressure = float(estimate(Pressure(), trajectory))
        record = np.vstack([record, [np.sqrt(np.mean((found - radial.value) ** 2)), pressure]])
        spline = corrected(spline, radial.observable.grid, found, radial.value, at.temperature)
        at = _moved(at, trajectory.positions[0, -1])
        state = {"coefficients": spline.coefficients, "record": record, "positions": trajectory.positions[0, -1]}
        save_arrays(out / f"{simulation:04d}.npz", {name: np.asarray(array) for name, array in state.items()})
    write_text(out / "learning.csv", "rdf_rmse,pressure_bar\n" + "".join(f"{r:.6g},{p:.6g}\n" for r, p in record))
    return spline + prior, record


def corrected(spline: PairSpline, distances, found, measured, temperature: float) -> PairSpline:
    """The spline after one step; the arguments are those of :func:`boltzmann_step`."""
    return _with(spline, spline.coefficients + boltzmann_step(spline, distances, found, measured, temperature))


def _with(spline: PairSpline, coefficients) -> PairSpline:
    return eqx.tree_at(lambda s: s.coefficients, spline, jnp.asarray(coefficients))


def _simulated(potential: Sum, at: StatePoint, training: Training, key: jax.Array, first: bool) -> Trajectory:
    """As in :class:`DiffTRe`, the first one after a throw-away trajectory."""
    return run(
        potential,
        at,
        training.sampler(),
        duration=training.sample,
        every=training.every,
        equilibrate=training.equilibrate + (training.sample if first else 0.0),
        key=key,
        engine=JaxMD(skin=SKIN),
    )


def _moved(at: StatePoint, positions: np.ndarray) -> StatePoint:
    """The same state point with other positions."""
    import dataclasses

    return StatePoint(dataclasses.replace(at.structure, positions=np.asarray(positions, np.float64)), at.temperature)
