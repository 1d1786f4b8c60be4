"""Adapters that let other programs use a potential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdfit.engines.ase_calculator import Calculator

__all__ = ["Calculator"]


def __getattr__(name: str) -> Any:
    # Each adapter imports its program only when it is asked for.
    if name == "Calculator":
        from mdfit.engines.ase_calculator import Calculator

        return Calculator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
