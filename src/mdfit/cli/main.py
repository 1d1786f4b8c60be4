"""``mdfit``: check data, run recipes, simulate, evaluate, report.

Everything heavy is imported inside the commands, so that ``mdfit --help`` answers at once.
"""

from __future__ import annotations

import errno
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mdfit._version import __version__
from mdfit.cli.label_options import label_options
from mdfit.errors import MdfitError, UntrustedError, shown

if TYPE_CHECKING:
    from mdfit.farm import Farm
    from mdfit.recipes.metrics import Metrics

#: What random keys are made of.
SEED = click.IntRange(0, 2**32 - 1)


class Commands(click.Group):
    """Shows errors that are meant for the user as one sentence, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(context)
        except MdfitError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            sys.exit(1)
        except OSError as error:
            # The last resort for files that are not ours to read, or whose names are too long.
            from mdfit.storage.atomic import remedy

            if error.errno == errno.EPIPE:  # click ends quietly when nobody reads on
                raise
            what = shown(str(error.filename or "A file"))
            click.secho(
                f"Error: {what} cannot be used ({error.strerror or error}); {remedy(error)}.", fg="red", err=True
            )
            sys.exit(1)
        except MemoryError:
            click.secho(
                "Error: there is not enough memory for this; take fewer atoms, replicas or frames.", fg="red", err=True
            )
            sys.exit(1)
        except KeyboardInterrupt as stop:
            click.echo(str(stop) or "Interrupted.", err=True)
            sys.exit(130)


def _terminate(number: int, frame: Any) -> None:
    """SIGTERM ends a command as Ctrl-C does."""
    raise KeyboardInterrupt("Terminated.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mdfit")
def main() -> None:
    """Learn molecular-dynamics potentials from simulation and experiment."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cutoff", default=None, help="Look for isolated atoms and narrow cells at it, like '5 Å'.")
@label_options
def check(
    file: Path,
    cutoff: str | None,
    energy_key: str | None,
    forces_key: str | None,
    stress_key: str | None,
    virial_key: str | None,
) -> None:
    """Check a labelled data set; exits with 1 when it has errors."""
    from mdfit.data import read
    from mdfit.recipes.preflight import check_cutoff
    from mdfit.units import quantity

    dataset = read(file, energy_key, forces_key, stress_key, virial_key)
    length = None if cutoff is None else quantity(cutoff, "Å", "cutoff")
    if length is not None:
        check_cutoff(dataset, length)
    report = dataset.check(length)
    click.echo(str(report))
    sys.exit(1 if report.errors else 0)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--validation", type=float, default=0.1, show_default=True, help="Share of the frames; 0 for none.")
@click.option("--test", type=float, default=0.1, show_default=True, help="Share of the frames; 0 for none.")
@click.option("--by", type=click.Choice(["random", "group", "time"]), default=None, help="[random]")
@click.option("--group", default=None, help="Label of the frames whose values are kept together.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Directory of the files [.].")
@label_options
def split(
    file: Path,
    validation: float,
    test: float,
    by: str | None,
    group: str | None,
    seed: int,
    out: Path,
    energy_key: str | None,
    forces_key: str | None,
    stress_key: str | None,
    virial_key: str | None,
) -> None:
    """Write files for training, validation and testing from a labelled data FILE."""
    from mdfit.data.labels import LabelKeys
    from mdfit.data.partition import split_file

    keys = LabelKeys(energy_key, forces_key, stress_key, virial_key)
    kind: Any = by or ("random" if group is None else "group")
    dataset, files = split_file(file, out, keys, validation, test, kind, group, seed)
    for finding in dataset.findings:
        click.echo(str(finding), err=True)
    for path, frames in files.items():
        click.echo(f"{path}: {frames} frames")


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--scale", default=None, help="One of the recipe's scales: demo, cpu, paper …")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Directory of the run [runs/RECIPE-SCALE].")
@click.option("--seed", type=SEED, default=0, show_default=True, help="In YAML, added to those that the recipe names.")
@click.option(
    "--seeds", default=None, help="Several, like 0:3 for 0, 1 and 2, each in a folder of OUT; goes on by itself."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes for what does not depend on each other: seeds, tasks of a recipe in Python.",
)
@click.option("--cluster", default=None, metavar="ADDRESS", help="A Dask cluster instead, like tcp://node1:8786.")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=None, help="For the training, instead of epochs."
)
@click.option("--resume", "resumed", is_flag=True, help="Go on if OUT holds a run of this recipe.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def run(
    recipe: Path,
    scale: str | None,
    out: Path | None,
    seed: int,
    seeds: str | None,
    workers: int,
    cluster: str | None,
    minutes: float | None,
    resumed: bool,
    quiet: bool,
) -> None:
    """Run a recipe: train, test, simulate, report."""
    from mdfit.cli.environment import prepare

    prepare()
    from mdfit.cli.interruption import run_interruptible
    from mdfit.farm import Farm
    from mdfit.recipes import is_script, load_recipe, load_script, run_recipe, run_script
    from mdfit.recipes.run_directory import begun, check_links

    if minutes is not None and (is_script(recipe) or seeds is not None):
        raise click.UsageError("--minutes is for one run of a recipe in YAML; those in Python set their own sizes.")
    loaded: Any = load_script(recipe) if is_script(recipe) else load_recipe(recipe, scale, seed, minutes)
    if is_script(recipe):
        scale = scale or loaded.scales[0]
    directory = out or Path("runs") / (loaded.directory.name + (f"-{scale}" if scale else ""))
    farm = Farm(workers, cluster)
    if farm.several and seeds is None and not is_script(recipe):
        raise click.UsageError(
            f"{recipe} has nothing that could be done side by side: name several --seeds, or leave out --workers and "
            "--cluster."
        )
    if seeds is not None:
        if seed or resumed:
            raise click.UsageError("--seeds names all seeds and goes on by itself: leave out --seed and --resume.")
        _run_seeds(recipe, scale, seeds, directory, farm, not quiet)
        return
    resumed = resumed and begun(directory)
    if resumed:
        check_links(directory)
    settings: Any = {"resume": resumed, "show_progress": not quiet}
    with run_interruptible(directory):
        if is_script(recipe):
            _finish(run_script(loaded, directory, scale, seed, farm=farm, **settings), directory)
        else:
            _finish(run_recipe(loaded, directory, **settings).metrics, directory)


def _run_seeds(recipe: Path, scale: str | None, seeds: str, directory: Path, farm: Farm, show_progress: bool) -> None:
    from mdfit.recipes.seeds import parse_seeds, run_seeds, seeds_table

    def tell(line: str) -> None:
        click.echo(line, err=True)

    found = run_seeds(recipe, scale, parse_seeds(seeds), directory, farm, tell, show_progress)
    click.echo(seeds_table(found))
    click.echo(f"Runs, each with its report: {directory}")


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.option(
    "--trust",
    is_flag=True,
    help="Run the recipe.py that DIRECTORY names, even if it does not come with mdfit, and write where its links lead.",
)
def resume(directory: Path, quiet: bool, trust: bool) -> None:
    """Go on with a run that was interrupted or killed."""
    from mdfit.cli.environment import prepare

    prepare()
    from mdfit.cli.interruption import run_interruptible
    from mdfit.recipes import resume_run, resume_script
    from mdfit.recipes.run_directory import REQUEST

    with run_interruptible(directory):
        script = (directory / REQUEST).exists()
        go_on: Any = resume_script if script else resume_run
        try:
            outcome = go_on(directory, show_progress=not quiet, trust=trust)
        except UntrustedError as error:
            if not sys.stdin.isatty() or not click.confirm(f"{error}\nGo on?", err=True):
                raise
            outcome = go_on(directory, show_progress=not quiet, trust=True)
        _finish(outcome if script else outcome.metrics, directory)


def _finish(metrics: Metrics, directory: Path) -> None:
    from mdfit.recipes.metric_lines import metrics_table
    from mdfit.report import group_lines, write_report

    report = write_report(directory)
    click.echo(metrics_table(metrics))
    if groups := group_lines(directory):
        click.echo(f"{groups}\n")
    click.echo(f"Metrics and figures: {directory}")
    click.echo(f"Report: {report}")


@main.command()
@click.argument("potential", type=click.Path(path_type=Path))
@click.argument("structure", type=click.Path(path_type=Path))
@click.option("--temperature", default=None, help="Like '300 K'; not for NVE from a structure with velocities.")
@click.option("--duration", required=True, help="Like '10 ps'.")
@click.option("--sampler", type=click.Choice(["NVE", "Langevin", "Brownian", "NoseHoover", "NPT"]), default="Langevin")
@click.option("--pressure", default=None, help="For NPT, like '1 bar'.")
@click.option("--timestep", default="1 fs", show_default=True)
@click.option("--friction", default="1 /ps", show_default=True, help="Of the Langevin thermostat.")
@click.option("--every", default="0.1 ps", show_default=True, help="Between saved frames.")
@click.option("--equilibrate", default="0 ps", show_default=True, help="Dropped at the start.")
@click.option("--repeat", type=int, nargs=3, default=(1, 1, 1), help="Repeat the cell, like 2 2 2.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("trajectory.h5"), show_default=True)
@click.option("--resume", "resumed", is_flag=True, help="Only go on with the run that wrote OUT.")
@click.option(
    "--when-unsure",
    type=click.Choice(["warn", "stop"]),
    default="warn",
    show_default=True,
    help="Where forces, energy or virial of a set of potentials spread more than on its validation data.",
)
def simulate(
    potential: Path,
    structure: Path,
    temperature: str | None,
    duration: str,
    sampler: str,
    pressure: str | None,
    timestep: str,
    friction: str,
    every: str,
    equilibrate: str,
    repeat: tuple[int, int, int],
    seed: int,
    out: Path,
    resumed: bool,
    when_unsure: Literal["warn", "stop"],
) -> None:
    """Run molecular dynamics with a saved POTENTIAL from a STRUCTURE file."""
    from mdfit.cli.environment import prepare

    prepare()
    from mdfit.cli.interruption import simulation_interruptible
    from mdfit.cli.tables import trajectory_lines
    from mdfit.potentials import load
    from mdfit.precision import key
    from mdfit.simulate import StatePoint, sampler_of, start_temperature
    from mdfit.simulate import run as run_dynamics
    from mdfit.structure import read_structure

    with simulation_interruptible(out):
        dynamics = sampler_of(sampler, timestep, friction)
        start = read_structure(structure).repeat(repeat)
        trajectory = run_dynamics(
            load(potential),
            StatePoint(start, start_temperature(start, dynamics, temperature), pressure),
            dynamics,
            duration=duration,
            every=every,
            equilibrate=equilibrate,
            key=key(seed),
            out=out,
            resume=resumed or "auto",
            when_unsure=when_unsure,
            show_progress=True,
        )
        if trajectory.frozen is not None:
            click.echo(f"{trajectory.frozen.sum()} of {len(trajectory.species)} atoms were held.")
        for line in trajectory_lines(trajectory):
            click.echo(line)
        click.echo(f"{len(trajectory)} frames in {out}")


@main.command()
@click.argument("potential", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--group", default=None, help="Also tabulate errors by this label of the frames.")
@label_options
def evaluate(
    potential: Path,
    file: Path,
    group: str | None,
    energy_key: str | None,
    forces_key: str | None,
    stress_key: str | None,
    virial_key: str | None,
) -> None:
    """Compare a saved POTENTIAL with the labels of a data FILE.

    Energies are also compared after one shift per element, which takes out another reference energy.  Of a set of
    potentials the errors are those of its mean, beside how well its spread predicts them.
    """
    from mdfit.cli.environment import prepare

    prepare()
    import numpy as np

    from mdfit.data import read
    from mdfit.potentials import knows_spread, load
    from mdfit.recipes.metric_lines import metrics_table
    from mdfit.recipes.metrics import accuracy_metrics, spread_metrics
    from mdfit.training import accuracy
    from mdfit.uncertainty import label_spread

    dataset = read(file, energy_key, forces_key, stress_key, virial_key)
    for finding in dataset.findings:
        click.echo(str(finding), err=True)
    loaded, composition = load(potential), dataset.composition()
    errors = accuracy(loaded, dataset)
    parts = {file.stem: errors}
    for name, frames in dataset.groups(group).items() if group is not None else ():
        parts[f"{group}={name}"] = errors.of_frames(np.array(frames))
    if knows_spread(loaded):
        click.echo(metrics_table(spread_metrics(file.stem, label_spread(loaded, dataset))))
    for name, part in parts.items():
        metrics = accuracy_metrics(name, part, "eV/Å", composition)
        click.echo(metrics_table(metrics))
        if f"{name}/energy_rmse" in metrics and f"{name}/energy_rmse_after_shift" not in metrics:
            click.echo(f"{name}: too few frames for its elements to tell another reference energy from an error.")


@main.command()
@click.argument("potential", type=click.Path(path_type=Path))
@click.argument("pool", type=click.Path(path_type=Path))
@click.option("--number", type=click.IntRange(min=1), required=True, help="Of structures to choose.")
@click.option("--known", type=click.Path(path_type=Path), default=None, help="Those that are labelled already.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("selected.extxyz"), show_default=True)
def select(potential: Path, pool: Path, number: int, known: Path | None, out: Path) -> None:
    """Choose structures to label, by uncertainty and diversity.

    POTENTIAL is a set of potentials or has an uncertain last layer.  POOL is a trajectory of mdfit (.h5) or a file of
    structures, such as .extxyz.
    """
    from mdfit.cli.environment import prepare

    prepare()
    import numpy as np

    from mdfit.potentials import known_spread, load
    from mdfit.uncertainty import select as choose
    from mdfit.uncertainty import times_known
    from mdfit.uncertainty.pool import read_pool, write_selected

    structures, loaded = read_pool(pool), load(potential)
    found = choose(loaded, structures, number, None if known is None else read_pool(known))
    write_selected(out, structures, found)
    limit = known_spread(loaded)
    if limit is not None:
        beyond = int(np.sum(times_known(found.spreads, limit) > 1))
        click.echo(f"{beyond} of {len(structures)} lie beyond what validation data know.")
    least, most = np.sort(np.asarray(found.spreads.forces)[found.indices])[[0, -1]]
    click.echo(f"{number} of {len(structures)} structures in {out}; their forces spread {least:.3g} to {most:.3g} eV/Å")


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=None,
    help="Also write metrics, small plots and provenance to this directory, to keep them under version control.",
)
def report(directory: Path, results: Path | None) -> None:
    """Write the HTML report of a run, or of those of several seeds, again."""
    from mdfit.recipes.seeds import SEEDS, read_seeds, seed_folder
    from mdfit.report import write_report, write_run_results, write_seeds_results

    if (directory / SEEDS).exists():
        for seed in read_seeds(directory).seeds:
            click.echo(f"Report:  {write_report(seed_folder(directory, seed))}")
        if results is not None:
            click.echo(f"Results: {write_seeds_results(directory, results)}")
        return
    click.echo(f"Report:  {write_report(directory)}")
    if results is not None:
        click.echo(f"Results: {write_run_results(directory, results)}")


@main.command()
@click.option("--copy", default=None, metavar="NAME", help="Copy a recipe with its data to the present directory.")
def recipes(copy: str | None) -> None:
    """List the recipes that come with mdfit, or copy one to start from."""
    from mdfit.recipes.gallery import copy_recipe, list_recipes

    if copy is not None:
        click.echo(f"Copied to {copy_recipe(copy, Path.cwd())}; run it with: mdfit run {copy} --scale cpu")
        return
    found = list_recipes()
    width = max(len(name) for name, _, _ in found)
    for name, title, scales in found:
        click.echo(f"{name:<{width}} {title}  (scales: {', '.join(scales) or 'none'})")


@main.command()
def doctor() -> None:
    """Is this installation sound? Versions, devices, a small calculation with a known answer."""
    from mdfit.cli.environment import prepare

    prepare()
    from mdfit.cli.diagnosis import diagnose

    sound = True
    for finding in diagnose():
        sound &= finding.good
        click.secho(f"{'ok  ' if finding.good else 'BAD '} {finding.text}", fg=None if finding.good else "red")
    sys.exit(0 if sound else 1)
