"""Properties of crystals at 0 K: relaxed cells, equations of state, elastic constants, phonons, vacancies."""

from mdfit.properties.elastic_constants import CubicElasticConstants, elastic_constants
from mdfit.properties.equation_of_state import EquationOfState, equation_of_state
from mdfit.properties.phonons import phonon_frequencies
from mdfit.properties.relaxation import relax_atoms, relax_cell
from mdfit.properties.vacancy import vacancy_formation_energy

__all__ = [
    "CubicElasticConstants",
    "EquationOfState",
    "elastic_constants",
    "equation_of_state",
    "phonon_frequencies",
    "relax_atoms",
    "relax_cell",
    "vacancy_formation_energy",
]
