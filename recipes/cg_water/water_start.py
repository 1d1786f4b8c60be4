"""A network that starts from the forces of a known model of water, mW, instead of random numbers.

V. Molinero, E. B. Moore, J. Phys. Chem. B 113, 4008 (2009), doi:10.1021/jp805227c.
"""

from __future__ import annotations

from pathlib import Path

import jax
import optax
from water_beads import OXYGEN, all_but_the_prior, lattice, small_network
from water_training import SKIN

from mdfit.data import Dataset, LabelledStructure
from mdfit.objectives import ForceMatching
from mdfit.potentials import StillingerWeber, Sum, load
from mdfit.simulate import JaxMD, Langevin, run
from mdfit.training import fit
from mdfit.units import quantity


def monatomic_water() -> StillingerWeber:
    """The Stillinger–Weber potential with the parameters of mW."""
    return StillingerWeber(OXYGEN, epsilon=quantity("6.189 kcal/mol", "eV"), sigma=2.3925, strength=23.15)


def labelled(beads: int, frames: int, seed: int) -> Dataset:
    """Frames of a simulation of mW at 296 K, 0.5 ps apart, with energies, forces and stresses."""
    trajectory = run(
        monatomic_water(),
        lattice(beads, seed),
        Langevin("10 fs", friction="1 /ps"),
        duration=500.0 * frames,
        every=500.0,
        equilibrate="5 ps",
        key=jax.random.key(seed + 20_000),
        engine=JaxMD(skin=SKIN),
    )
    structures = [trajectory.structure(frame) for frame in range(len(trajectory))]
    from mdfit.potentials import predict

    unlabelled = Dataset(tuple(LabelledStructure(structure) for structure in structures))
    predictions = predict(monatomic_water(), unlabelled)
    return Dataset(
        tuple(
            LabelledStructure(structure, energy=p.energy, forces=p.forces, stress=p.stress)
            for structure, p in zip(structures, predictions, strict=True)
        )
    )


def fitted_network(beads: int, frames: int, epochs: int, seed: int, out: Path, show_progress: bool = False) -> Sum:
    """The network and the prior, whose sum has the forces of mW as well as the network can."""
    # Not one of the training's own files, which an interrupted one leaves, too.
    path = out / "fitted.mdfit"
    if not path.exists():
        rate = optax.cosine_decay_schedule(5e-3, epochs * frames // 2, 1e-2)
        result = fit(
            small_network(seed),
            ForceMatching(labelled(beads, frames, seed), energy=0.1, forces=10.0, stress=1.0, batch_size=2),
            optimizer=optax.adam(rate),
            epochs=epochs,
            train_only=all_but_the_prior,
            seed=seed,
            out=out,
            show_progress=show_progress,
        )
        result.unless_interrupted().last.save(path)
    return load(path)
