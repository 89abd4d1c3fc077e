"""The command `ccps`, called in this process."""

from ccps.cli.main import main


def ended(*arguments: str) -> int:
    """Run a command line; returns its exit code."""
    try:
        main(list(arguments))
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0
