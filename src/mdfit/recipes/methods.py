"""Ways to train, as sizes of a recipe: how long, how often and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mdfit.recipes.request import Request, Sampling

if TYPE_CHECKING:
    import optax

    from mdfit.data import Frames
    from mdfit.measurements import Measurement
    from mdfit.objectives import DiffTRe
    from mdfit.objectives.relative_entropy.objective import Start
    from mdfit.potentials import Potential
    from mdfit.simulate.samplers import Sampler
    from mdfit.training import FitResult


def short_memory_adam(rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Adam whose means hold the last updates only, as suits objectives that are sampled anew for each update.

    S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4: b₁ = 0.1, b₂ = 0.4.
    """
    import optax

    return optax.adam(rate, b1=0.1, b2=0.4)


@dataclass(frozen=True)
class Descent:
    """Updates whose rate falls.

    Attributes:
        updates: of the parameters.
        rates: before the first update and after the last one.
        damping: of Newton or Gauss–Newton steps, of which the rates are parts; None stands for Adam with a short memory.
        schedule: how the rate falls in between.
    """

    updates: int
    rates: tuple[float, float]
    damping: float | None = None
    schedule: Literal["exponential", "quadratic", "cosine"] = "exponential"

    def optimizer(self) -> optax.GradientTransformation:
        """For the updates."""
        import optax

        return short_memory_adam(self.rate) if self.damping is None else optax.sgd(self.rate)

    @property
    def rate(self) -> optax.Schedule:
        """The rate by the number of updates that are done."""
        import optax

        first, last = self.rates
        if self.schedule == "quadratic":
            return optax.polynomial_schedule(first, last, power=2, transition_steps=self.updates)
        if self.schedule == "cosine":
            return optax.cosine_decay_schedule(first, self.updates, alpha=last / first)
        return optax.exponential_decay(first, self.updates, last / first)


@dataclass(frozen=True)
class Matching:
    """Force matching with Adam, whose rate falls exponentially to a hundredth.

    Attributes:
        steps: updates.
        batch: frames of each.
        rate: the first learning rate.
        frames: of the reference, at equal intervals; None takes all.
        held_out: share of them that chooses the best parameters.
    """

    steps: int
    batch: int
    rate: float
    frames: int | None = None
    held_out: float = 0.1

    def train(
        self, request: Request, name: str, start: Potential, reference: Frames, *, fixed: Sequence[int]
    ) -> FitResult:
        """The potential whose forces on held-out frames are closest to those of the reference; ``fixed`` terms stay."""
        import optax

        from mdfit.objectives import ForceMatching

        frames = reference if self.frames is None else reference.spread(self.frames)
        train, valid = frames.dataset().split(1 - self.held_out, seed=request.seed_of(f"{name} split"))
        objective = ForceMatching(train, energy=0.0, forces=1.0, batch_size=self.batch)
        optimizer = optax.adam(optax.exponential_decay(self.rate, self.steps, 0.01))
        return request.train(name, start, objective, optimizer, self.steps, fixed=fixed, validate_on=valid)


@dataclass(frozen=True)
class Entropy:
    """Minimisation of the relative entropy.

    Attributes:
        descent: its updates, by Adam or by Newton steps.
        sampling: of the chains of each update.
        batch: reference frames of each update, or fewer where there are fewer; None takes all.
        frames: of the reference, at equal intervals; None takes all.
        chains: side by side.
        start: of the chains; see :class:`mdfit.objectives.RelativeEntropy`.
        step_ratio: share of effective frames that a step keeps; None does not shorten steps.
        skin: of the neighbour lists.
    """

    descent: Descent
    sampling: Sampling
    batch: int | None = None
    frames: int | None = None
    chains: int = 1
    start: Start = "last"
    step_ratio: float | None = None
    skin: str = "0.5 Å"

    def train(
        self,
        request: Request,
        name: str,
        start: Potential,
        reference: Frames,
        temperature: float,
        sampler: Sampler,
        *,
        fixed: Sequence[int],
    ) -> FitResult:
        """The potential whose ensemble is closest to the reference; ``fixed`` terms stay."""
        from mdfit.objectives import MappedEnsemble, RelativeEntropy
        from mdfit.simulate import JaxMD

        frames = reference if self.frames is None else reference.spread(self.frames)
        objective = RelativeEntropy(
            MappedEnsemble.of(frames, temperature),
            sampler,
            sample=self.sampling.duration,
            every=self.sampling.every,
            equilibrate=self.sampling.equilibrate,
            chains=self.chains,
            start=self.start,
            batch=None if self.batch is None else min(self.batch, len(frames)),
            step_ratio=self.step_ratio,
            newton=self.descent.damping,
            engine=JaxMD(self.skin),
        )
        return request.train(name, start, objective, self.descent.optimizer(), self.descent.updates, fixed=fixed)


@dataclass(frozen=True)
class Reweighting:
    """Learning from measurements by differentiable trajectory reweighting; see :class:`mdfit.objectives.DiffTRe`.

    Attributes:
        descent: its updates, by Adam or by Gauss–Newton steps.
        sampling: of the trajectories.
        step_ratio: share of effective frames that a step keeps; None does not shorten steps.
        reuse: share of effective frames from which on a trajectory is used again.
        fewest_samples: independent frames that a trajectory must be worth.
        skin: of the neighbour lists.
    """

    descent: Descent
    sampling: Sampling
    step_ratio: float | None = None
    reuse: float = 0.9
    fewest_samples: float = 5.0
    skin: str = "0.5 Å"

    def objective(
        self,
        measurements: Sequence[Measurement],
        sampler: Sampler,
        parameter_sizes: Callable[[Any], Any] | None = None,
        dtype: Literal["float32", "float64"] = "float32",
    ) -> DiffTRe:
        """The loss and its trajectories."""
        from mdfit.objectives import DiffTRe
        from mdfit.simulate import JaxMD

        return DiffTRe(
            measurements,
            sampler,
            sample=self.sampling.duration,
            every=self.sampling.every,
            equilibrate=self.sampling.equilibrate,
            reuse=self.reuse,
            step_ratio=self.step_ratio,
            gauss_newton=self.descent.damping,
            parameter_sizes=parameter_sizes,
            fewest_samples=self.fewest_samples,
            engine=JaxMD(self.skin, dtype=dtype),
        )

    def train(
        self,
        request: Request,
        name: str,
        start: Potential,
        measurements: Sequence[Measurement],
        sampler: Sampler,
        *,
        fixed: Sequence[int] = (),
        parameter_sizes: Callable[[Any], Any] | None = None,
        dtype: Literal["float32", "float64"] = "float32",
    ) -> FitResult:
        """The potential whose averages are closest to the measurements; ``fixed`` terms stay."""
        objective = self.objective(measurements, sampler, parameter_sizes, dtype)
        return request.train(name, start, objective, self.descent.optimizer(), self.descent.updates, fixed=fixed)
