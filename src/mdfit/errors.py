"""Every error a user can meet, each with one sentence that says what is wrong, where, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MdfitError(Exception):
    """Base of all errors raised on purpose by mdfit; its message is meant for the user, not for a developer."""


class UnitError(MdfitError):
    """A quantity has an unknown unit, the wrong dimension, or is not a finite number."""


class SeedError(MdfitError):
    """A seed of random numbers is not a whole number within bounds."""


class StructureError(MdfitError):
    """A structure is not physical: shapes, non-finite numbers, unknown elements or a degenerate cell."""


class DataError(MdfitError):
    """A data set cannot be read or used: missing files or labels, unknown keys, non-finite labels."""


class NeighborListError(MdfitError):
    """A neighbour list cannot be built: the cutoff is not possible for the cell, or its capacity overflowed."""


class UnknownSpeciesError(MdfitError):
    """A potential was asked about a chemical element it does not know."""


class PotentialError(MdfitError):
    """A potential cannot be built with these parameters."""


class ModelFileError(MdfitError):
    """A file with a saved model is missing, damaged, or from a newer version of the format."""


class CheckpointError(MdfitError):
    """A checkpoint is missing, damaged, or belongs to another run."""


class SimulationError(MdfitError):
    """A simulation became unphysical or was set up inconsistently."""


class ExplosionError(SimulationError):
    """A simulation became unphysical: it left the range of the potential, or its time step is too long."""


class ExtrapolationError(SimulationError):
    """A simulation went where the data do not know its potential, and was to stop there."""


class ObservableError(MdfitError):
    """An observable cannot be computed from this trajectory, or with these parameters."""


class MeasurementError(MdfitError):
    """A measured value cannot be read, or cannot be compared with a simulation."""


class ReweightingError(MdfitError):
    """Samples cannot be reweighted: energies that are not finite, or arguments that do not belong together."""


class TrainingError(MdfitError):
    """A training run diverged or was set up inconsistently."""


class FarmError(MdfitError):
    """Workers cannot be started or reached, or tasks have failed on them."""


class RecipeError(MdfitError):
    """A recipe holds an unknown key or a value that is not allowed."""


class UntrustedError(RecipeError):
    """A run directory asks for a program that does not come with mdfit, or leads to files outside it."""


class OutputError(MdfitError):
    """Results cannot be written: the disk is full, or the directory may not be written to."""


def shown(text: str, longest: int = 200) -> str:
    """Text of a user in an error message, which stays one sentence however long the text is."""
    return text if len(text) <= longest else f"{text[: longest - 20]} … {text[-15:]}"


def nearest(name: str, options: Iterable[str], count: int = 3) -> str:
    """Words for an error message: which of the options the user may have meant, or what the options are.

    Args:
        name: what the user wrote.
        options: what would have been allowed.
        count: largest number of suggestions.

    Returns:
        ``"did you mean 'a' or 'b'?"`` when something is close, otherwise ``"available: 'a', 'b'"``,
        and ``"there are none"`` without options.
    """
    available = sorted({str(option) for option in options})
    if not available:
        return "there are none"
    by_lower_case = {option.lower(): option for option in available}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=count, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(f"'{by_lower_case[match]}'" for match in close) + "?"
    return "available: " + ", ".join(f"'{option}'" for option in available)
