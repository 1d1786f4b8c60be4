"""``python -m mdfit``."""

from mdfit.cli import main

main(prog_name="mdfit")
