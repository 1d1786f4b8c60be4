"""Iterative Boltzmann inversion: a pair potential from a radial distribution function.

D. Reith, M. Pütz, F. Müller-Plathe, J. Comput. Chem. 24, 1624 (2003), doi:10.1002/jcc.10307.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.measurements import Measurement
from mdfit.models import Parameters
from mdfit.objectives.base import Metrics, Objective, Step
from mdfit.observables import RDF
from mdfit.potentials import PairSpline, Potential
from mdfit.potentials.base import terms_of
from mdfit.reweighting import Ensemble, Samples, average, log_weights, thermal_energy
from mdfit.reweighting.frame_values import FrameTree
from mdfit.simulate import JaxMD, Lengths, Sampler

#: Where one of the distributions is below this, their ratio says nothing.
RARE = 0.1
#: Keeps coefficients of distances without data where they are: the repulsive core would run away otherwise.
STIFFNESS = 0.1


class BoltzmannInversion(Objective):
    """Steps U(r) += k_BT ln[g(r)/g_target(r)], each after a simulation with the present potential.

    The step stands in place of a gradient: use ``optax.sgd(1.0)``, or less to damp.  It is the first guess at what
    inverse Monte Carlo (:class:`~mdfit.objectives.RelativeEntropy` with ``newton``) solves for, without the correlations
    between pairs, and needs far fewer frames.  Not in sums with other objectives.  The loss is the mean squared deviation
    of the distributions.

    Args:
        target: an RDF and where it was measured.
        sampler: ensemble and integrator.
        sample: length of each simulation, in fs or with a unit.
        every: between frames.
        equilibrate: dropped at the start of each simulation, which goes on where the last one ended.
        replicas: side by side.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.

    Raises:
        TrainingError: for another observable than an RDF; at the first evaluation, for a potential in which not exactly
            one :class:`~mdfit.potentials.PairSpline` of one function is trained, and nothing else.

    Example:
        >>> import numpy as np
        >>> from mdfit import Measurement, StatePoint, Structure
        >>> from mdfit.objectives import BoltzmannInversion
        >>> from mdfit.observables import RDF
        >>> from mdfit.simulate import Langevin
        >>> at = StatePoint(Structure([1], [[0, 0, 0]], 10 * np.eye(3), [True] * 3, [18.0]), "300 K")
        >>> target = Measurement(RDF("4 Å", bins=8), np.ones(8), at, sigma=0.01)
        >>> BoltzmannInversion(target, Langevin("2 fs"), sample="20 ps", every="0.1 ps").takes_steps
        True
    """

    steps_per_epoch = 1
    takes_steps = True

    def __init__(
        self,
        target: Measurement,
        sampler: Sampler,
        *,
        sample: str | float,
        every: str | float,
        equilibrate: str | float = 0.0,
        replicas: int = 1,
        engine: JaxMD | None = None,
    ):
        if not isinstance(target.observable, RDF):
            raise TrainingError(f"Boltzmann inversion needs an RDF as its target, not {target.observable.name}.")
        self._target, self._rdf = target, target.observable
        lengths = Lengths.of(sample, every, equilibrate, sampler.timestep_fs)
        self._ensemble = Ensemble(
            target.at, sampler, lengths, replicas, observables=(self._rdf,), engine=engine, free_energies=False
        )

    def initial_state(self, seed: int, parameters: Parameters) -> Samples:
        return self._ensemble.empty(seed, parameters)

    def draw(self, parameters: Parameters, state: Samples) -> tuple[tuple[FrameTree, np.ndarray], Samples]:
        """Frames of a new simulation, and their energies."""
        state, view, _ = self._ensemble.renewed(parameters, state)
        return (view.frames.tree(), view.energies), state

    def loss(self, model: Potential, batch: tuple[FrameTree, np.ndarray]) -> tuple[Float[Array, ""], Metrics]:
        frames, made_with = batch
        energies, found = frames.values(model)
        weights = log_weights(self._ensemble.beta * (energies - made_with))
        loss = jnp.mean((average(weights, found) - self._target.value) ** 2)
        return loss, {"rdf_rmse": jnp.sqrt(loss)}

    def evaluate(self, parameters: Parameters, state: Samples) -> tuple[Step, Samples]:
        """The deviation of the distribution of a new simulation, and the step of the spline."""
        potential = parameters.combine()
        spline = _trained_spline(parameters, potential)
        state, view, _ = self._ensemble.renewed(parameters, state)
        found = view.values[0].mean(axis=0)
        step = boltzmann_step(spline, self._rdf.grid, found, self._target.value, self._target.at.temperature)
        # The optimiser subtracts.
        direction = jax.tree.map(lambda leaf: -jnp.asarray(step, leaf.dtype), parameters.trained)
        loss = jnp.asarray(np.mean((found - self._target.value) ** 2))
        return Step(loss, direction, {"rdf_rmse": jnp.sqrt(loss)}), state


def boltzmann_step(
    spline: PairSpline, distances: np.ndarray, found: np.ndarray, target: np.ndarray, temperature: float
) -> np.ndarray:
    """The change of the coefficients in eV that is closest to k_BT ln(g/g_target) where both distributions are there.

    Args:
        spline: of one function.
        distances: ``(points,)`` in Å.
        found: ``(points,)`` g of the simulation.
        target: ``(points,)`` g to be reached.
        temperature: in K.
    """
    known = (found > RARE) & (target > RARE) & (distances < spline.cutoff)
    correction = float(thermal_energy(temperature)) * np.log(found[known] / target[known])
    squared, kind = jnp.asarray(distances[known]) ** 2, jnp.zeros((), jnp.int32)

    def energies(coefficients: Float[Array, "functions intervals"]) -> Float[Array, " points"]:
        changed = eqx.tree_at(lambda s: s.coefficients, spline, coefficients)
        return changed.pair_energy(squared, kind, kind)

    # The spline is linear in its coefficients.
    basis = np.asarray(jax.jacobian(energies)(spline.coefficients)).reshape(len(squared), -1)
    design = np.vstack([basis, STIFFNESS * np.eye(basis.shape[1])])
    wanted = np.concatenate([correction, np.zeros(basis.shape[1])])
    return np.linalg.lstsq(design, wanted, rcond=None)[0].reshape(spline.coefficients.shape)


def _trained_spline(parameters: Parameters, potential: Potential) -> PairSpline:
    splines = [term for term in terms_of(potential) if isinstance(term, PairSpline)]
    leaves = jax.tree.leaves(parameters.trained)
    trained = [s for s in splines if len(leaves) == 1 and leaves[0].shape == s.coefficients.shape]
    if len(trained) != 1 or len(trained[0].coefficients) != 1:
        raise TrainingError(
            "Boltzmann inversion changes one PairSpline of one function and nothing else; freeze other parameters with "
            "train_only, and use RelativeEntropy for several kinds of pairs."
        )
    return trained[0]
