"""Records out of what the library `datasets` reads: a repository of the hub, a local folder, a saved data set."""

import warnings
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.data.tables import Row
from ccps.settings.benchmark import BenchmarkSpec

# What `save_to_disk` leaves in a folder: of a single data set, and of several splits.
SAVED = ("state.json", "dataset_dict.json")


def read_dataset(spec: BenchmarkSpec) -> Iterator[Row]:
    """Yield the records of the split that a description names; class labels are whole numbers.

    Raises:
        UserError: nothing there, out of reach, no such subset, split or file, or data that need remote code.
    """
    # Slow to import, and most runs do without.
    import datasets
    from pandas.errors import ParserWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)  # pandas drops cells with no more than that
            data = _only_needed(_open(datasets, spec), spec.columns)
    except MemoryError:
        raise
    except Exception as error:  # the library raises what all the readers below it do; all mean "not to be had"
        raise expected(
            f"benchmark `{spec.name}`",
            f"readable from {_wanted(spec)}",
            f"this from the library `datasets`: {str(error).strip().rstrip('.')}",
            _way_out(spec, error),
        ) from error
    try:
        for number, row in enumerate(data):
            yield f"row {number}", row
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        wanted = f"readable from {_wanted(spec)}"
        raise expected(f"benchmark `{spec.name}`", wanted, f"{error}", "Replace the damaged file.") from error


def _open(datasets: Any, spec: BenchmarkSpec) -> Any:
    """The split, opened; nothing is ever executed from the repository."""
    folder = local_path(spec.location)
    if any((folder / name).is_file() for name in SAVED):
        saved = datasets.load_from_disk(str(folder))
        if not isinstance(saved, datasets.DatasetDict):
            return saved
        if spec.split not in saved:
            raise ValueError(f'Unknown split "{spec.split}". Should be one of {list(saved)}')
        return saved[spec.split]
    where = str(folder) if folder.is_dir() else spec.location
    which: dict[str, Any] = {
        "name": spec.subset,
        "data_files": None if spec.data_files is None else {spec.split: spec.data_files},
        "revision": spec.revision,
    }
    if datasets.load_dataset_builder(where, **which).info.builder_name == "csv":
        which |= _all_text(datasets, where, spec.split, which)
    return datasets.load_dataset(where, split=spec.split, **which)


def _all_text(datasets: Any, where: str, split: str, which: dict[str, Any]) -> dict[str, Any]:
    """How to read CSV files so that every cell stays the text it is, as the loader `table` reads them.

    By itself pandas drops "None" and "NA", and takes "007" for 7.
    """
    # A row with more cells than the header would become the row of a table whose first column has no name.
    plain = {"keep_default_na": False, "na_filter": False, "index_col": False}
    first = datasets.load_dataset(where, split=split, streaming=True, **which, **plain)
    names = first.column_names or list(next(iter(first)))
    if twice := [name for name in names if f"{name}.1" in names]:
        raise ValueError(f"two columns called `{twice[0]}`, of which one would be lost: rename them")
    features = datasets.Features({name: datasets.Value("string") for name in names})
    return {**plain, "features": features}


def _only_needed(data: Any, columns: list[str]) -> Any:
    """Without the columns that nobody asks for: some hold images, which would all be decoded."""
    needed = {column if column in data.column_names else column.partition(".")[0] for column in columns}
    return data.select_columns(sorted(needed)) if needed <= set(data.column_names) else data


def _wanted(spec: BenchmarkSpec) -> str:
    details = [f"{key} `{getattr(spec, key)}`" for key in ("subset", "data_files", "revision") if getattr(spec, key)]
    return ", ".join([f"`{spec.location}`", *details, f"split `{spec.split}`"])


def _way_out(spec: BenchmarkSpec, error: Exception) -> str:
    if "script" in str(error):
        return "Choose a revision without a loading script (often `refs/convert/parquet`), or a local copy."
    if isinstance(error, ConnectionError) or "ffline" in str(error):
        return "Go online, or download the data and give the folder as `location`."
    return "Correct `location`, `subset`, `data_files`, `revision` or `split`."
