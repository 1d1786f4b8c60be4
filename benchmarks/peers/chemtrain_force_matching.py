"""chemtrain: force-matching steps with DimeNet++ at the benchmark's sizes. Runs in `.peers/chemtrain`.

A step is what its trainer does per batch: draw it, gradient of the weighted energy and force errors, Adam update.
"""

import contextlib
import importlib.metadata
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from chemtrain.trainers import ForceMatching
from jax_md import partition, space
from jax_md_mod.model import neural_networks

from timing import measure, report
from workloads import TRAINING_SETS


def main(work: str) -> None:
    data = TRAINING_SETS[work]()
    counts = data.edges_and_triplets()
    # Molecules get a box so large that no image is near. The peer's graphs are as small as the data allow.
    box = data.box if data.box is not None else np.full(3, 100.0)
    positions = data.positions % box if data.box is not None else data.positions + box / 2
    displacement, _ = space.periodic(jnp.asarray(box, jnp.float32))
    neighbour_function = partition.neighbor_list(
        displacement, box, data.cutoff, 0.0, disable_cell_list=True, capacity_multiplier=1.0
    )
    neighbours = neighbour_function.allocate(jnp.asarray(positions[0], jnp.float32))
    needed = max(int(_max_neighbours(data, frame)) for frame in data.positions)
    neighbours = neighbour_function.allocate(
        jnp.asarray(positions[0], jnp.float32), extra_capacity=max(0, needed - neighbours.idx.shape[1])
    )
    initialise, energy = neural_networks.dimenetpp_neighborlist(
        displacement,
        data.cutoff,
        n_species=int(data.species.max()) + 1,
        max_edges=int(counts[:, 0].max()),
        max_triplets=int(counts[:, 1].max()),
        embed_size=32,
    )
    species = jnp.asarray(data.species)
    parameters = initialise(jax.random.PRNGKey(0), jnp.asarray(positions[0], jnp.float32), neighbours, species=species)

    def template(parameters):
        # one global property comes back as an array of one element in some versions
        return lambda position, neighbor, **kwargs: jnp.sum(
            energy(parameters, position, neighbor=neighbor, species=species)
        )

    with tempfile.TemporaryDirectory() as scratch:
        trainer = ForceMatching(
            parameters,
            optax.adam(1e-3),
            template,
            neighbours,
            gammas={"U": 1e-2, "F": 1.0},
            batch_per_device=data.batch,
            log_file=f"{scratch}/log",
            checkpoint_path=scratch,
        )
        trainer.set_dataset(
            {
                "R": positions.astype(np.float32),
                "U": data.energies.astype(np.float32),
                "F": data.forces.astype(np.float32),
            },
            stage="training",
        )

        def batches():
            while True:
                yield from trainer._get_batch()

        source = batches()

        def run(steps: int) -> None:
            for _ in range(steps):
                trainer._update(next(source))  # ends by fetching the loss

        with contextlib.redirect_stdout(sys.stderr):
            timings = measure(run)
    report(
        work,
        timings,
        version=importlib.metadata.version("chemtrain"),
        jax=jax.__version__,
        parameters=sum(leaf.size for leaf in jax.tree_util.tree_leaves(parameters)),
        **data.details(),
    )


def _max_neighbours(data, positions) -> int:
    vectors = positions[None] - positions[:, None]
    if data.box is not None:
        vectors -= data.box * np.round(vectors / data.box)
    return (np.linalg.norm(vectors, axis=-1) < data.cutoff).sum(1).max() - 1


if __name__ == "__main__":
    main(sys.argv[1])
