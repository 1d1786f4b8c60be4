"""The sizes of each scale, and the trainings by differentiable trajectory reweighting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optax
from water_beads import all_but_the_prior, sizes, targets

from mdfit.measurements import Measurement
from mdfit.objectives import DiffTRe
from mdfit.potentials import Potential
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.training import FitResult, fit


@dataclass(frozen=True)
class Training:
    """How long, how often and how fast.

    Attributes:
        updates: of the parameters.
        first_rate: learning rate of Adam at the start.
        last_rate: at the end; it falls exponentially.
        sample: length of a trajectory in fs.
        every: between frames in fs.
        equilibrate: dropped before each trajectory in fs.
        timestep: in fs.
        pressure_weight: of the squared pressure in 1/bar².
        angle_weight: of the mean squared deviation of the angles; None for a potential of pairs.
        step_ratio: see :class:`DiffTRe`.
        gauss_newton: damping of Gauss-Newton steps, of which the rates are parts; None stands for Adam.
        together: how many bins of the RDF and of the ADF make one target.
        spline_size: of a change of the spline in eV that is as large as one of 1 of the network's parameters.
    """

    updates: int
    first_rate: float
    last_rate: float
    sample: float
    every: float
    equilibrate: float
    timestep: float
    pressure_weight: float
    angle_weight: float | None = None
    step_ratio: float | None = None
    gauss_newton: float | None = None
    together: tuple[int, int] = (1, 1)
    spline_size: float = 1.0

    def sampler(self) -> Langevin:
        """Constant temperature; friction of 1/ps."""
        return Langevin(self.timestep, friction="1 /ps")

    def objective(self, measurements: list[Measurement]) -> DiffTRe:
        """The loss and its trajectories."""
        return DiffTRe(
            measurements,
            self.sampler(),
            sample=self.sample,
            every=self.every,
            equilibrate=self.equilibrate,
            step_ratio=self.step_ratio,
            gauss_newton=self.gauss_newton,
            parameter_sizes=None if self.gauss_newton is None else partial(sizes, spline=self.spline_size),
            # Gauss-Newton steps would fit the noise of a trajectory that is used twice.
            reuse=0.9 if self.gauss_newton is None else 1.0,
            # Energies drift slowly while the potential changes; the estimate then says one, at random.
            fewest_samples=0.0,
            engine=JaxMD(skin=SKIN),
        )

    def optimizer(self) -> optax.GradientTransformation:
        """Adam with a short memory, as published, or parts of Gauss-Newton steps."""
        rate = optax.exponential_decay(self.first_rate, self.updates, self.last_rate / self.first_rate)
        if self.gauss_newton is not None:
            return optax.sgd(rate)
        return optax.adam(rate, b1=0.1, b2=0.4)


#: Of the neighbour lists: beads move 0.04 Å in a time step of 10 fs, the fastest of them four times as much.
SKIN = "1.5 Å"


def train(
    start: Potential, at: StatePoint, training: Training, seed: int, out: Path, show_progress: bool = False
) -> FitResult:
    """All but the prior; goes on where a run in ``out`` stopped.

    Raises:
        KeyboardInterrupt: after Ctrl-C, which ends the whole recipe.
    """
    aims = targets(at, training.pressure_weight, training.angle_weight, training.together)
    return fit(
        start,
        training.objective(aims),
        optimizer=training.optimizer(),
        steps=training.updates,
        train_only=all_but_the_prior,
        seed=seed,
        out=out,
        show_progress=show_progress,
    ).unless_interrupted()
