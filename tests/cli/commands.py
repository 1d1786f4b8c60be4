"""Commands as a user gives them."""

from click.testing import CliRunner

from mdfit.cli import main


def mdfit(*arguments: str):
    """The outcome of a command."""
    return CliRunner().invoke(main, list(arguments))


def fails(*arguments: str) -> str:
    """The one sentence on the standard error stream of a command that fails for a reason the user can mend."""
    result = mdfit(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr
