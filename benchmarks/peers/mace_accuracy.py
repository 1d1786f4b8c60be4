"""MACE on 3BPA by its commands: 32x0e + 32x1o, two layers, single precision."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import torch

from accuracy_job import Job

MODELS = {"MACE": {"num_channels": 32, "max_L": 1, "r_max": 5.0}}


def train(job: Job) -> Path:
    """The model of the lowest validation loss, with averaged parameters."""
    steps = job.steps(len(ase.io.read(job.file("train"), ":")))
    settings = {
        "name": "model",
        "work_dir": job.out,
        "model": "MACE",
        "train_file": job.file("train"),
        "valid_file": job.file("validation"),
        "E0s": "average",
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "batch_size": job.batch_size,
        "valid_batch_size": 10,
        "lr": job.learning_rate,
        "scheduler": "ExponentialLR",
        "lr_scheduler_gamma": 0.01 ** (1 / job.epochs),
        "max_num_epochs": job.epochs,
        "eval_interval": max(1, job.epochs // 20),
        "ema_decay": min(0.999, 1 - 10 / steps),
        "default_dtype": "float32",
        "device": "cpu",
        "seed": job.seed,
        "plot": "False",
        **MODELS[job.model],
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    run("mace_run_train", *flags, "--ema", "--amsgrad")
    return job.out / "model.model"


def predict(job: Job, model: Path, name: str) -> None:
    output = job.out / f"{name}.xyz"
    run(
        "mace_eval_configs",
        f"--configs={job.file(name)}",
        f"--model={model}",
        f"--output={output}",
        "--default_dtype=float32",
        "--batch_size=32",
    )
    frames = ase.io.read(output, ":")
    job.save(name, [one.info["MACE_energy"] for one in frames], [one.arrays["MACE_forces"] for one in frames])


def run(command: str, *flags: str) -> None:
    subprocess.run([str(Path(sys.executable).parent / command), *flags], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    job = Job.given()
    model = train(job)
    seconds = job.trained()
    for name in job.sets:
        predict(job, model, name)
    parameters = torch.load(model, map_location="cpu", weights_only=False).parameters()
    job.report(
        seconds,
        parameters=int(sum(np.prod(one.shape) for one in parameters)),
        versions={name: importlib.metadata.version(name) for name in ("mace-torch", "torch")},
    )


if __name__ == "__main__":
    main()
