"""What a recipe may say: one schema that validates, holds the defaults and documents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mdfit.errors import UnitError
from mdfit.units import quantity


def _in(unit: str):
    """Accepts ``"0.5 ps"`` or a bare number in ``unit``."""

    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"needs a number or a quantity such as '1 {unit}'")
        try:
            return quantity(value, unit)
        except UnitError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(convert)


Length = Annotated[float, _in("Å")]
Time = Annotated[float, _in("fs")]
Temperature = Annotated[float, _in("K")]
Pressure = Annotated[float, _in("bar")]
Friction = Annotated[float, _in("1/ps")]


class Section(BaseModel):
    """A part of a recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """Labelled structures; paths are relative to the recipe."""

    train: str
    validation: str | None = None
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    split_seed: int = 0
    group: str | None = None
    tests: dict[str, str] = {}
    test_every: Annotated[int, Field(ge=1)] = 1
    groups: list[str] = []
    energy_key: str | None = None
    forces_key: str | None = None
    stress_key: str | None = None


class PotentialChoice(Section):
    """A neural potential, and fixed potentials that are added to it."""

    kind: Literal["PaiNN", "DimeNetPP"] = "PaiNN"
    cutoff: Length = 5.0
    channels: Annotated[int, Field(ge=2)] = 64
    layers: Annotated[int, Field(ge=1)] = 3
    radial_functions: Annotated[int, Field(ge=1)] = 12
    add: list[Literal["ZBL"]] = []
    seed: int = 0


class Optimizer(Section):
    """An optax optimiser with warm-up and a decaying learning rate."""

    kind: Literal["adam", "adamw", "amsgrad", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.01
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] | None = 10.0


class Training(Section):
    """Force matching."""

    epochs: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 4
    energy: Annotated[float, Field(ge=0)] = 1.0
    forces: Annotated[float, Field(ge=0)] = 10.0
    stress: Annotated[float, Field(ge=0)] = 0.0
    loss: Literal["square", "huber"] = "square"
    huber_delta: Annotated[float, Field(gt=0)] = 0.1
    optimizer: Optimizer = Optimizer()
    average: Annotated[float, Field(gt=0, lt=1)] | None = 0.999
    patience: Annotated[int, Field(ge=1)] | None = None
    validate_every: Annotated[int, Field(ge=1)] = 1
    seed: int = 0


class Crystal(Section):
    """A crystal made by ASE."""

    element: str
    lattice: Literal["diamond", "fcc", "bcc", "hcp", "sc"]
    a: Length
    repeat: tuple[int, int, int] = (1, 1, 1)


class StructureChoice(Section):
    """A structure from a file, a crystal, or the end of an earlier simulation."""

    file: str | None = None
    index: int = -1
    crystal: Crystal | None = None
    end_of: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> StructureChoice:
        if sum(source is not None for source in (self.file, self.crystal, self.end_of)) != 1:
            raise ValueError("needs exactly one of file, crystal and end_of")
        return self


class Simulation(Section):
    """Molecular dynamics with the trained potential."""

    structure: StructureChoice
    sampler: Literal["NVE", "Langevin", "NoseHoover", "NPT"] = "Langevin"
    temperature: Temperature
    pressure: Pressure | None = None
    timestep: Time = 1.0
    friction: Friction = 1.0
    duration: Time
    every: Time = 50.0
    equilibrate: Time = 0.0
    replicas: Annotated[int, Field(ge=1)] = 1
    rdf_maximum: Length | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _pressure_for_npt(self) -> Simulation:
        if self.sampler == "NPT" and self.pressure is None:
            raise ValueError("sampler NPT needs a pressure, for instance pressure: 1 bar")
        return self


class Properties(Section):
    """Static properties at 0 K."""

    crystal: Crystal
    relax: bool = True
    elastic_constants: bool = True
    equation_of_state: bool = True
    reference: dict[str, float] = {}


class Recipe(Section):
    """From data to a potential, simulations and a report."""

    title: str
    description: str = ""
    data: Data
    potential: PotentialChoice = PotentialChoice()
    training: Training = Training()
    simulations: dict[str, Simulation] = {}
    properties: Properties | None = None
    force_unit: Literal["eV/Å", "meV/Å"] = "eV/Å"
    published: str | None = None
    precision: Literal["float32", "float64"] = "float32"
