"""Properties of crystals at 0 K: relaxed cells, equations of state, elastic constants."""

from mdfit.properties.elastic_constants import ElasticConstants, elastic_constants
from mdfit.properties.equation_of_state import EquationOfState, equation_of_state
from mdfit.properties.relaxation import relax_atoms, relax_cell

__all__ = [
    "ElasticConstants",
    "EquationOfState",
    "elastic_constants",
    "equation_of_state",
    "relax_atoms",
    "relax_cell",
]
