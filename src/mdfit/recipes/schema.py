"""What a recipe may say: one schema that validates, holds the defaults and documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mdfit.errors import UnitError, nearest
from mdfit.units import quantity


def _in(unit: str) -> BeforeValidator:
    """Accepts ``"0.5 ps"`` or a bare number in ``unit``."""

    def convert(value: Any, information: ValidationInfo) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"needs a number or a quantity such as '1 {unit}'")
        try:
            return quantity(value, unit, information.field_name or "value")
        except (UnitError, OverflowError) as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(convert)


#: Fewer frames give no error bar; the limit of :func:`mdfit.observables.estimate`.
FEWEST_FRAMES = 10

#: Shorter times, in fs, are nobody's, and their number overflows.
SHORTEST = 1e-6

Length = Annotated[float, _in("Å"), Field(gt=0, le=1e4)]
Time = Annotated[float, _in("fs"), Field(ge=0, le=1e12)]
Temperature = Annotated[float, _in("K"), Field(ge=0, le=1e7)]
Pressure = Annotated[float, _in("bar"), Field(ge=-1e8, le=1e8)]
Friction = Annotated[float, _in("1/ps"), Field(gt=0, le=1e6)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Weight = Annotated[float, Field(ge=0, le=1e12)]

#: Names become names of files.
NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$", max_length=100)]


class Section(BaseModel):
    """A part of a recipe; unknown keys are errors, and the strings below the keys are their documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, information: ValidationInfo) -> Any:
        flags = [flag for flag in (value if isinstance(value, list | tuple) else [value]) if isinstance(flag, bool)]
        if flags and cls.model_fields[information.field_name or ""].annotation is not bool:
            raise ValueError(f"must not be {str(flags[0]).lower()}")
        return value


def _refuse_ignored(section: Section, information: ValidationInfo, names: Sequence[str], because: str) -> None:
    """Refuses settings that would have no effect; in the record of a run, where all defaults stand, nothing is refused."""
    if information.context == WRITTEN:
        return
    for name in names:
        if getattr(section, name) != type(section).model_fields[name].default:
            raise ValueError(f"{name} would be ignored {because}; leave it out")


#: The context in which what mdfit has written itself is validated.
WRITTEN = "written by mdfit"


#: Potentials whose sizes have keys of their own.
NETWORKS = ("PaiNN", "DimeNetPP", "Allegro")

#: Name of the test set that is held out of the training file.
HELD_OUT = "held_out"


class Data(Section):
    """Labelled structures; paths are relative to the recipe."""

    train: str
    """file with the structures to train on"""
    validation: str | None = None
    """file to validate on; without it a part of `train` is set aside"""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """share of `train` that is set aside for validation"""
    split_seed: Seed = 0
    """decides which structures these are, and which are held out"""
    group: str | None = None
    """label of the structures whose values are kept on one side of the splits"""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of `train` that is held out, from training and validation, as the test set `held_out`; null for none"""
    tests: dict[Name, str] = {}
    """test sets: their names in the metrics, and their files"""
    test_every: Annotated[int, Field(ge=1, le=10**9)] = 1
    """test on each n-th structure only"""
    groups: list[str] = []
    """labels of the test structures by which the report tabulates errors"""
    energy_key: str | None = None
    """name of the energies in the files; without it the usual names are recognised"""
    forces_key: str | None = None
    """name of the forces"""
    stress_key: str | None = None
    """name of the stress"""
    virial_key: str | None = None
    """name of the virial in eV (compression positive), instead of the stress"""

    @model_validator(mode="after")
    def _names_of_tests(self) -> Data:
        if self.test_fraction is not None and HELD_OUT in self.tests:
            raise ValueError(f"a test set is named {HELD_OUT}, as the one of test_fraction is; rename it")
        return self

    @property
    def test_names(self) -> list[str]:
        """Names of all test sets, in the order in which they are tested."""
        return list(self.test_files)

    @property
    def test_files(self) -> dict[str, str]:
        """The files of all test sets, the training file for what is held out of it."""
        return {**({HELD_OUT: self.train} if self.test_fraction is not None else {}), **self.tests}

    @model_validator(mode="after")
    def _all_used(self, information: ValidationInfo) -> Data:
        if self.validation is not None:
            ignored = ("validation_fraction", *(() if self.test_fraction else ("split_seed", "group")))
            _refuse_ignored(self, information, ignored, "beside a file to validate on")
        if self.stress_key is not None and self.virial_key is not None:
            raise ValueError("stress_key and virial_key name the same thing in two ways; give one of them")
        if not self.test_names:
            _refuse_ignored(self, information, ("test_every", "groups"), "without tests")
        return self


class PotentialChoice(Section):
    """A neural potential, and fixed potentials that are added to it."""

    kind: str = "PaiNN"
    """the network: `PaiNN`, `DimeNetPP`, `Allegro`, or a class of your own"""
    file: str | None = None
    """Python file that defines the class, relative to the recipe; not for classes of mdfit and of installed packages"""
    arguments: dict[Name, Any] = {}
    """further arguments of a class of your own"""
    cutoff: Length = 5.0
    """range of the interactions"""
    channels: Annotated[int, Field(ge=2, le=4096)] = 64
    """features per atom (PaiNN) or per edge (DimeNetPP, Allegro)"""
    layers: Annotated[int, Field(ge=1, le=64)] = 3
    """interaction blocks"""
    radial_functions: Annotated[int, Field(ge=1, le=256)] = 12
    """Bessel functions of the distance"""
    add: list[Literal["ZBL"]] = []
    """potentials to add"""
    seed: Seed = 0
    """of the initial parameters"""

    @model_validator(mode="after")
    def _all_used(self, information: ValidationInfo) -> PotentialChoice:
        if self.kind in NETWORKS:
            _refuse_ignored(self, information, ("file", "arguments"), f"by {self.kind}, which is of mdfit")
        else:
            sizes = ("channels", "layers", "radial_functions")
            _refuse_ignored(self, information, sizes, f"by {self.kind}, whose arguments stand under arguments")
        return self


class Optimizer(Section):
    """An optax optimiser with warm-up and a decaying learning rate."""

    kind: Literal["adam", "adamw", "amsgrad", "sgd"] = "adam"
    """the algorithm"""
    learning_rate: Annotated[float, Field(gt=0, le=1e3)] = 2e-3
    """largest learning rate, reached after the warm-up"""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.01
    """learning rate at the end, relative to the largest"""
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    """how the learning rate falls"""
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 100
    """updates over which the learning rate rises from zero; at most half of all"""
    weight_decay: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    """for adamw"""
    clip: Annotated[float, Field(gt=0, le=1e12)] | None = 10.0
    """largest norm of the gradient; null switches clipping off"""

    @model_validator(mode="after")
    def _all_used(self, information: ValidationInfo) -> Optimizer:
        if self.kind != "adamw":
            _refuse_ignored(self, information, ("weight_decay",), f"by {self.kind}")
        if self.schedule == "constant":
            _refuse_ignored(self, information, ("final_fraction",), "by a constant schedule")
        return self


class Training(Section):
    """Force matching."""

    epochs: Annotated[int, Field(ge=1, le=10**7)] = 100
    """passes over the training data"""
    minutes: Annotated[float, Field(gt=0, le=10**6)] | None = None
    """time for the training instead of `epochs`, whose number follows from the measured time of an update"""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 4
    """structures per update"""
    energy: Weight = 1.0
    """weight of the squared error of the energy per atom in eV"""
    forces: Weight = 10.0
    """weight of the squared error of the force components in eV/Å"""
    stress: Weight = 0.0
    """weight of the squared error of the stress components in eV/Å³"""
    loss: Literal["square", "huber"] = "square"
    """squared errors, or Huber's function of them, which outliers pull less"""
    huber_delta: Annotated[float, Field(gt=0, le=1e6)] = 0.1
    """error in the units above from which on Huber's function is linear"""
    optimizer: Optimizer = Optimizer()
    """see below"""
    average: Annotated[float, Field(gt=0, lt=1)] | None = 0.999
    """decay per update of the moving average of the parameters that is validated and kept; null takes them as they are"""
    patience: Annotated[int, Field(ge=1, le=10**7)] | None = None
    """stop after so many validations without a better one"""
    validate_every: Annotated[int, Field(ge=1, le=10**7)] = 1
    """epochs between validations"""
    seed: Seed = 0
    """of the order of the training data"""

    @model_validator(mode="after")
    def _all_used(self, information: ValidationInfo) -> Training:
        if self.loss == "square":
            _refuse_ignored(self, information, ("huber_delta",), "by squared errors")
        if self.minutes is not None:
            _refuse_ignored(self, information, ("epochs",), "beside minutes")
        if not (self.energy or self.forces or self.stress):
            raise ValueError("energy, forces and stress must not all be 0")
        return self


class Uncertainty(Section):
    """How sure the trained network is, by its last layer: errors of predictions, simulations and static properties."""

    members: Annotated[int, Field(ge=2, le=1000)] = 8
    """potentials, drawn from what the data allow, that tell the potential's error of simulations and static properties"""
    seed: Seed = 0
    """of these draws"""


class Crystal(Section):
    """A crystal made by ASE; diamond, fcc and bcc in their conventional cubic cell."""

    element: str
    """chemical symbol"""
    lattice: Literal["diamond", "fcc", "bcc", "hcp", "sc"]
    """its structure"""
    a: Length
    """lattice constant"""
    repeat: tuple[
        Annotated[int, Field(ge=1, le=1000)], Annotated[int, Field(ge=1, le=1000)], Annotated[int, Field(ge=1, le=1000)]
    ] = (1, 1, 1)
    """cells along each vector"""


class StructureChoice(Section):
    """Where a simulation starts: exactly one of `file`, `crystal` and `end_of`."""

    file: str | None = None
    """file with structures, relative to the recipe"""
    index: Annotated[int, Field(ge=-(10**9), le=10**9)] = -1
    """which structure of the file; -1 is the last one"""
    crystal: Crystal | None = None
    """see below"""
    end_of: str | None = None
    """name of a simulation above this one, from whose last frame, and velocities for a single replica, this one goes on"""

    @model_validator(mode="after")
    def _one_source(self, information: ValidationInfo) -> StructureChoice:
        if sum(source is not None for source in (self.file, self.crystal, self.end_of)) != 1:
            raise ValueError("needs exactly one of file, crystal and end_of")
        if self.file is None:
            _refuse_ignored(self, information, ("index",), "without a file")
        return self


class SimulationChoice(Section):
    """Molecular dynamics with the trained potential."""

    structure: StructureChoice
    """see below"""
    sampler: Literal["NVE", "Langevin", "Brownian", "NoseHoover", "NPT"] = "Langevin"
    """ensemble and integrator"""
    temperature: Temperature | None = None
    """of the thermostat, or of the initial velocities; not for NVE of a single replica that goes on with velocities"""
    pressure: Pressure | None = None
    """of the barostat (NPT)"""
    timestep: Time = 1.0
    """of the integrator"""
    friction: Friction = 1.0
    """of the thermostat of Langevin and Brownian"""
    duration: Time
    """of the production"""
    every: Time = 50.0
    """between saved frames, a multiple of `timestep`"""
    equilibrate: Time = 0.0
    """dropped at the start"""
    replicas: Annotated[int, Field(ge=1, le=10**5)] = 1
    """independent copies, simulated side by side"""
    rdf_maximum: Length | None = None
    """range of the radial distribution function; without it none is calculated"""
    seed: Seed = 0
    """of initial velocities and noise"""

    @model_validator(mode="after")
    def _all_used(self, information: ValidationInfo) -> SimulationChoice:
        if self.sampler == "NPT" and self.pressure is None:
            raise ValueError("sampler NPT needs a pressure, for instance pressure: 1 bar")
        if self.sampler != "NPT":
            _refuse_ignored(self, information, ("pressure",), f"by {self.sampler}, which keeps the volume")
        if self.sampler not in ("Langevin", "Brownian"):
            _refuse_ignored(self, information, ("friction",), f"by {self.sampler}")
        # Several replicas with the velocities of one would be copies, so that they draw their own.
        may_go_on = self.sampler == "NVE" and self.replicas == 1 and self.structure.crystal is None
        if may_go_on and self.structure.end_of is not None:
            because = f"by NVE, which goes on with the velocities of '{self.structure.end_of}'"
            _refuse_ignored(self, information, ("temperature", "seed"), because)
        elif self.temperature is None and not may_go_on and information.context != WRITTEN:
            why = ", for the velocities of each replica" if self.sampler == "NVE" and self.replicas > 1 else ""
            raise ValueError(f"the key 'temperature' is missing{why}, for instance temperature: 300 K")
        return self

    @model_validator(mode="after")
    def _enough_frames(self) -> SimulationChoice:
        for name in ("timestep", "duration", "every"):
            if getattr(self, name) < SHORTEST:
                raise ValueError(f"{name} must be positive, {SHORTEST:g} fs or more, but is {getattr(self, name):g} fs")
        steps = round(self.every / self.timestep)
        if steps < 1 or abs(steps * self.timestep - self.every) > 1e-6 * self.every:
            raise ValueError(f"every ({self.every:g} fs) must be a multiple of timestep ({self.timestep:g} fs)")
        frames = round(self.duration / self.every) * self.replicas
        if frames < FEWEST_FRAMES:
            raise ValueError(
                f"{self.duration:g} fs with a frame every {self.every:g} fs give {frames} frames, but error bars need "
                f"at least {FEWEST_FRAMES}; raise duration or lower every"
            )
        return self


#: The metrics of static properties.
STATIC = tuple(f"static/{name}" for name in ("lattice_constant", "bulk_modulus", "C11", "C12", "C44", "C44_clamped"))


class Properties(Section):
    """Static properties at 0 K of a cubic crystal."""

    crystal: Crystal
    """see above"""
    relax: bool = True
    """relax the lattice constant first"""
    elastic_constants: bool = True
    """C11, C12, C44, and C44 with clamped ions"""
    equation_of_state: bool = True
    """energy as a function of volume, and the bulk modulus"""
    reference: dict[str, float] = {}
    """values to show beside them, by the name of the metric, such as `static/C11: 153`"""

    @model_validator(mode="after")
    def _all_used(self, information: ValidationInfo) -> Properties:
        if information.context == WRITTEN:
            return self
        unknown = [name for name in self.reference if name not in STATIC]
        if unknown:
            raise ValueError(f"the reference {unknown[0]} is of no static property; {nearest(unknown[0], STATIC)}")
        if not (self.relax or self.elastic_constants or self.equation_of_state):
            raise ValueError("relax, elastic_constants and equation_of_state are all false; leave the section out")
        return self


class Recipe(Section):
    """From data to a potential, simulations and a report."""

    title: str
    """heading of the report"""
    description: str = ""
    """what the recipe shows"""
    data: Data
    """see below"""
    potential: PotentialChoice = PotentialChoice()
    """see below"""
    training: Training = Training()
    """see below"""
    uncertainty: Uncertainty | None = None
    """see below; `uncertainty: {}` for its defaults, without it nothing is said of the potential's error"""
    simulations: dict[Name, SimulationChoice] = {}
    """any number of simulations by name, which run in this order; see below"""
    properties: Properties | None = None
    """see below; without it none are calculated"""
    force_unit: Literal["eV/Å", "meV/Å"] = "eV/Å"
    """of the force errors in metrics and report"""
    published: str | None = None
    """table of published errors (CSV) to show beside ours, relative to the recipe"""
    precision: Literal["float32", "float64"] = "float32"
    """of parameters, positions and forces"""

    def with_seed(self, number: int) -> Recipe:
        """The same with other random numbers: ``number`` is added to every seed but that of the split of the data."""

        def moved(part: Any) -> Any:
            return part.model_copy(update={"seed": (part.seed + number) % 2**32})

        simulations = {name: moved(simulation) for name, simulation in self.simulations.items()}
        parts = {"potential": moved(self.potential), "training": moved(self.training), "simulations": simulations}
        if self.uncertainty is not None:
            parts["uncertainty"] = moved(self.uncertainty)
        return self.model_copy(update=parts) if number else self
