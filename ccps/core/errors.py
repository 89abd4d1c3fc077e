"""The one error type that is the user's to mend: shown without a traceback, exit code 2."""


class UserError(Exception):
    """Something only the user can put right: a setting, a file, a full disk.

    The message reads "Expected `x` to be …, but got …", names the file, key or record, and ends with the
    way out. Entry points print it alone and exit with code 2. Everything else is a fault of ours: its traceback goes
    to a file, and the exit code is 70 (`experiments/ending.py`).
    """


class WrongSettingError(UserError):
    """A setting that is at fault whatever the data are: it ends a run that would go on without what failed."""


def expected(what: str, wanted: str, got: object, way_out: str, kind: type[UserError] = UserError) -> UserError:
    """Build a `UserError` in the project's one sentence form.

    Args:
        what: the setting, file or record that is at fault.
        wanted: what it should have been ("a positive integer").
        got: what it was.
        way_out: a full sentence that says how to mend it.
        kind: of error.
    """
    try:
        said = f"{got}"
    except ValueError:  # Python writes out no number of thousands of digits
        said = "a number of thousands of digits"
    return kind(f"Expected {what} to be {wanted}, but got {said}. {way_out}")
