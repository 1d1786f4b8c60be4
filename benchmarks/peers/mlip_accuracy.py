"""mlip on 3BPA: ViSNet with 64 channels and otherwise its default sizes, by its own training loop."""

import importlib.metadata

import ase.io
import jax
from mlip.data import ExtxyzReader, GraphDatasetBuilder, GraphDatasetBuilderConfig
from mlip.inference import run_batched_inference
from mlip.models import ForceField, Visnet
from mlip.models.loss import MSELoss
from mlip.training import OptimizerConfig, TrainingLoop, TrainingLoopConfig, get_default_mlip_optimizer

from accuracy_job import Job

MODELS = {"ViSNet": (Visnet, {"num_channels": 64})}


def main() -> None:
    job = Job.given()
    readers = {"train": ExtxyzReader(str(job.file("train"))), "valid": ExtxyzReader(str(job.file("validation")))}
    builder = GraphDatasetBuilder(
        readers, GraphDatasetBuilderConfig(graph_cutoff_angstrom=5.0, batch_size=job.batch_size)
    )
    sets = builder.get_datasets()
    network, sizes = MODELS[job.model]
    force_field = ForceField.from_mlip_network(network(network.Config(**sizes), builder.dataset_info), seed=job.seed)
    steps = job.epochs * len(sets["train"])
    warmup = min(200, steps // 10)
    optimizer = get_default_mlip_optimizer(
        OptimizerConfig(
            init_learning_rate=job.learning_rate / 100,
            peak_learning_rate=job.learning_rate,
            final_learning_rate=job.learning_rate / 100,
            warmup_steps=warmup,
            transition_steps=steps - warmup,
        )
    )
    config = TrainingLoopConfig(
        num_epochs=job.epochs, random_seed=job.seed, ema_decay=min(0.999, 1 - 10 / steps), run_eval_at_start=False
    )
    loop = TrainingLoop(sets["train"], sets["valid"], force_field, MSELoss(), optimizer, config)
    loop.run()
    best = loop.best_model
    seconds = job.trained()
    for name in job.sets:
        found = run_batched_inference(ase.io.read(job.file(name), ":"), best, batch_size=32)
        job.save(name, [float(one.energy) for one in found], [one.forces for one in found])
    job.report(
        seconds,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(best.params)),
        versions={name: importlib.metadata.version(name) for name in ("mlip", "jax")},
    )


if __name__ == "__main__":
    main()
