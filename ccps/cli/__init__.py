"""The command `ccps`: the short way to all that the entry points and the package do."""
