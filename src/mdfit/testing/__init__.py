"""Contract tests that any potential or engine must pass; use them for those of your own."""

from mdfit.testing.engine_contract import ENGINE_CONTRACT, EngineCase, check_engine
from mdfit.testing.potential_contract import CONTRACT, check_potential, contract

__all__ = ["CONTRACT", "ENGINE_CONTRACT", "EngineCase", "check_engine", "check_potential", "contract"]
