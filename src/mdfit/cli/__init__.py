"""The command line."""

from mdfit.cli.main import main

__all__ = ["main"]
