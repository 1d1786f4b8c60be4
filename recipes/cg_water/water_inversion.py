"""Iterative Boltzmann inversion of the O-O distribution, for comparison.

D. Reith, M. Pütz, F. Müller-Plathe, J. Comput. Chem. 24, 1624 (2003), doi:10.1002/jcc.10307.
"""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import numpy as np
from water_scales import SKIN, Phase
from water_targets import targets

from mdfit.objectives.boltzmann_inversion import boltzmann_step
from mdfit.observables import Pressure, estimate
from mdfit.potentials import Sum
from mdfit.recipes.script import Request
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.units import quantity


def inverted(
    request: Request, start: Sum, at: StatePoint, langevin: Langevin, phase: Phase
) -> tuple[Sum, list[dict[str, float]]]:
    """As many simulations as ``phase`` has updates, each followed by U(r) += kT ln(g(r)/g_measured(r)).

    Returns:
        The potential after the last correction, and of each simulation the deviation of the RDF and the pressure in bar.
    """
    target = targets(at, phase.pressure_weight)[0]
    spline, repulsion = start.terms
    duration, dropped = (quantity(time, "fs") for time in (phase.sampling.duration, phase.sampling.equilibrate))
    history = []
    for number in range(phase.descent.updates):
        # As in DiffTRe, the first one after a throw-away trajectory.
        sampling = phase.sampling if number else replace(phase.sampling, equilibrate=dropped + duration)
        model, engine = spline + repulsion, JaxMD(SKIN)
        simulated = request.simulate(f"ibi_{number}", model, at, langevin, sampling, engine=engine)
        found = np.asarray(estimate(target.observable, simulated).value)
        rmse = float(np.sqrt(np.mean((found - target.value) ** 2)))
        history.append({"RDF": rmse, "Pressure": float(estimate(Pressure(), simulated))})
        step = boltzmann_step(spline, target.observable.grid, found, target.value, at.temperature)
        spline = eqx.tree_at(lambda s: s.coefficients, spline, spline.coefficients + step)
        at = StatePoint(simulated.structure(), at.temperature)
    return spline + repulsion, history
