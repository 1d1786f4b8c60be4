"""``python -m mdfit``."""

from mdfit.cli import command_line

command_line()
