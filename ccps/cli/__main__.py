"""`python -m ccps.cli` is the command `ccps`."""

from ccps.cli.main import main

if __name__ == "__main__":
    main()
