"""The command line."""

from mdfit.cli.main import main


def command_line() -> None:
    """The program ``mdfit``; :data:`main` is the same within a process that has other work, like a test."""
    from mdfit.cli.environment import choose_allocator

    choose_allocator()
    main(prog_name="mdfit")


__all__ = ["command_line", "main"]
