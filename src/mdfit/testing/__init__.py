"""Contract tests that any potential, engine or objective must pass; use them for those of your own."""

from mdfit.testing.engine_contract import ENGINE_CONTRACT, EngineCase, check_engine
from mdfit.testing.objective_contract import OBJECTIVE_CONTRACT, ObjectiveCase, check_objective
from mdfit.testing.potential_contract import CONTRACT, check_potential, contract

__all__ = [
    "CONTRACT",
    "ENGINE_CONTRACT",
    "OBJECTIVE_CONTRACT",
    "EngineCase",
    "ObjectiveCase",
    "check_engine",
    "check_objective",
    "check_potential",
    "contract",
]
