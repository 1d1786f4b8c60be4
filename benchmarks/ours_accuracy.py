"""mdfit on 3BPA: PaiNN or DimeNet++ at their default sizes, by force matching."""

import importlib.metadata
import os

import jax
import optax

import mdfit
from accuracy_job import Job
from mdfit.objectives import ForceMatching
from mdfit.potentials import DimeNetPP, PaiNN
from mdfit.potentials.dataset_predictions import predict

MODELS = {"PaiNN": PaiNN, "DimeNetPP": DimeNetPP}
# As in the recipe: energies of 27 atoms count as much as their forces.
WEIGHTS = {"energy": 200.0, "forces": 1.0}


def main() -> None:
    job = Job.given()
    train, validation = (mdfit.data.read(job.file(name)) for name in ("train", "validation"))
    potential = MODELS[job.model].for_data(train, cutoff="5 Å", key=mdfit.key(job.seed))
    steps = job.steps(len(train))
    warmup = min(200, steps // 10)
    decay = optax.cosine_decay_schedule(job.learning_rate, steps - warmup, 0.01)
    schedule = optax.join_schedules([optax.linear_schedule(0.0, job.learning_rate, warmup), decay], [warmup])
    result = mdfit.fit(
        potential,
        ForceMatching(train, batch_size=job.batch_size, **WEIGHTS),
        optimizer=optax.chain(optax.clip_by_global_norm(10.0), optax.adam(schedule)),
        epochs=job.epochs,
        validate_on=validation,
        validate_every=max(1, job.epochs // 20),
        average=min(0.999, 1 - 10 / steps),
        seed=job.seed,
    )
    seconds = job.trained()
    for name in job.sets:
        found = predict(result.potential, mdfit.data.read(job.file(name)), batch_size=32)
        job.save(name, [one.energy for one in found], [one.forces for one in found])
    leaves = jax.tree.leaves(result.potential)
    job.report(
        seconds,
        parameters=sum(leaf.size for leaf in leaves if hasattr(leaf, "size")),
        versions={name: importlib.metadata.version(name) for name in ("mdfit", "jax")},
        flags=os.environ.get("XLA_FLAGS", ""),
    )


if __name__ == "__main__":
    main()
