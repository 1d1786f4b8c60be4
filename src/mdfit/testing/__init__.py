"""Contract tests that any potential must pass; use them for potentials of your own."""

from mdfit.testing.potential_contract import CONTRACT, check_potential, contract

__all__ = ["CONTRACT", "check_potential", "contract"]
