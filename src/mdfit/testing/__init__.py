"""Contract tests that any potential, observable, engine or objective must pass; use them for those of your own."""

from mdfit.testing.engine_contract import ENGINE_CONTRACT, EngineCase, check_engine
from mdfit.testing.objective_contract import OBJECTIVE_CONTRACT, ObjectiveCase, check_objective
from mdfit.testing.observable_contract import OBSERVABLE_CONTRACT, ObservableCase, check_observable
from mdfit.testing.potential_contract import CONTRACT, check_potential, contract
from mdfit.testing.spread_contract import SPREAD_CONTRACT

__all__ = [
    "CONTRACT",
    "ENGINE_CONTRACT",
    "OBJECTIVE_CONTRACT",
    "OBSERVABLE_CONTRACT",
    "SPREAD_CONTRACT",
    "EngineCase",
    "ObjectiveCase",
    "ObservableCase",
    "check_engine",
    "check_objective",
    "check_observable",
    "check_potential",
    "contract",
]
