"""Records out of what the library `datasets` reads: a repository of the hub, a local folder, a saved data set.

Tables and lines that lie on this machine are read as the loader `table` reads them. The library would keep a copy, and
go on giving that after the file has changed; and it takes "None" for nothing, and "007" for 7.
"""

import dataclasses
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.data.class_labels import with_names
from ccps.data.rows import TableFormat, as_written, read_rows
from ccps.data.sources import read_file
from ccps.data.tables import Row
from ccps.settings.benchmark import BenchmarkSpec

# What `save_to_disk` leaves in a folder: of a single data set, and of several splits.
SAVED = ("state.json", "dataset_dict.json")
# Endings of files that are read here, and the builders of `datasets` that would take them.
_TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_BUILDERS = ("csv", "json", "parquet")
# What of a builder's settings does not say how a file is read.
_WHERE = {"name", "version", "data_dir", "data_files", "description"}


def read_dataset(spec: BenchmarkSpec) -> Iterator[Row]:
    """Yield the records of the split that a description names; classes know their names.

    Raises:
        UserError: nothing there, out of reach, no such subset, split or file, or data that need remote code.
    """
    # Slow to import, and most runs do without.
    import datasets
    from pandas.errors import ParserWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)  # pandas drops cells with no more than that
            data = _open(datasets, spec)
            # Of a stream nothing is read before its rows are.
            rows = list(data) if isinstance(data, datasets.IterableDataset) else data
    except MemoryError:
        raise
    except Exception as error:  # the library raises what all the readers below it do; all mean "not to be had"
        raise expected(
            f"benchmark `{spec.name}`",
            f"readable from {_wanted(spec)}",
            f"this from the library `datasets`: {str(error).strip().rstrip('.')}",
            _way_out(spec, error),
        ) from error
    if isinstance(data, list):  # of files
        yield from _read(data, spec)
        return
    kinds = {} if data.features is None else {field.name: field.type for field in data.features.arrow_schema}
    features = {} if data.features is None else data.features.to_dict()
    try:
        for number, row in enumerate(rows):
            written = {key: as_written(value, kinds.get(key, pa.null())) for key, value in row.items()}
            yield f"row {number}", {key: with_names(value, features.get(key)) for key, value in written.items()}
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        wanted = f"readable from {_wanted(spec)}"
        raise expected(f"benchmark `{spec.name}`", wanted, f"{error}", "Replace the damaged file.") from error


def _open(datasets: Any, spec: BenchmarkSpec) -> Any:
    """The split, opened, or the files that it is made of; nothing is ever executed from the repository."""
    folder = local_path(spec.location)
    if any((folder / name).is_file() for name in SAVED):
        saved = datasets.load_from_disk(str(folder))
        if not isinstance(saved, datasets.DatasetDict):
            return _only_needed(saved, spec.columns)
        _check_split(spec, saved)
        return _only_needed(saved[spec.split], spec.columns)
    where = str(folder) if folder.is_dir() else spec.location
    which: dict[str, Any] = {
        "name": spec.subset,
        "data_files": None if spec.data_files is None else {spec.split: spec.data_files},
        "revision": spec.revision,
    }
    builder = datasets.load_dataset_builder(where, **which)
    given = builder.config.data_files or {}
    is_here = bool(given) and all(Path(name).is_file() for names in given.values() for name in names)
    if is_here:
        _check_split(spec, given)
        files = [Path(name) for name in given[spec.split]]
        if _is_plain(builder, files):
            return files
    if builder.info.builder_name == "csv":
        builder = datasets.load_dataset_builder(where, **which, **_all_text(builder.as_streaming_dataset(spec.split)))
    if is_here:  # a stream has no copy on disk: its rows are those of the files as they are now
        return _only_needed(builder.as_streaming_dataset(split=spec.split), spec.columns)
    builder.download_and_prepare()
    return _only_needed(builder.as_dataset(split=spec.split), spec.columns)


def _check_split(spec: BenchmarkSpec, splits: Any) -> None:
    if spec.split not in splits:
        raise ValueError(f'Unknown split "{spec.split}". Should be one of {[str(name) for name in splits]}')


def _is_plain(builder: Any, files: list[Path]) -> bool:
    """Whether files are tables or lines as anybody would read them: no archive, no settings or types of their own."""
    config = builder.config
    usual = type(config)()
    where = _WHERE | ({"sep"} if all(file.suffix.lower() == ".tsv" for file in files) else set())
    own = [field.name for field in dataclasses.fields(config) if field.name not in where]
    return (
        builder.info.builder_name in _BUILDERS
        and all(file.suffix.lower() in _TABLES for file in files)
        and all(getattr(config, name) == getattr(usual, name) for name in own)
        and (builder.info.features is None or builder.info.builder_name == "csv")
    )


def _read(files: list[Path], spec: BenchmarkSpec) -> Iterator[Row]:
    table = TableFormat(spec.columns, spec.encoding, spec.delimiter, spec.header)
    for file in files:
        for record, row in read_rows("table", read_file(file, None), table):
            yield f"{file.name}, {record}", row


def _all_text(first: Any) -> dict[str, Any]:
    """How to read CSV files of the hub so that every cell stays the text it is, as the loader `table` reads them.

    By itself pandas drops "None" and "NA", and takes "007" for 7.
    """
    import datasets

    names = first.column_names or list(next(iter(first)))
    if twice := [name for name in names if f"{name}.1" in names]:
        raise ValueError(f"two columns called `{twice[0]}`, of which one would be lost: rename them")
    # A row with more cells than the header would become the row of a table whose first column has no name.
    plain = {"keep_default_na": False, "na_filter": False, "index_col": False}
    return {**plain, "features": datasets.Features({name: datasets.Value("string") for name in names})}


def _only_needed(data: Any, columns: list[str]) -> Any:
    """Without the columns that nobody asks for: some hold images, which would all be decoded."""
    names = data.column_names or []
    needed = {column if column in names else column.partition(".")[0] for column in columns}
    return data.select_columns(sorted(needed)) if needed <= set(names) else data


def _wanted(spec: BenchmarkSpec) -> str:
    details = [f"{key} `{getattr(spec, key)}`" for key in ("subset", "data_files", "revision") if getattr(spec, key)]
    return ", ".join([f"`{spec.location}`", *details, f"split `{spec.split}`"])


def _way_out(spec: BenchmarkSpec, error: Exception) -> str:
    if "script" in str(error):
        return "Choose a revision without a loading script (often `refs/convert/parquet`), or a local copy."
    if isinstance(error, ConnectionError) or "ffline" in str(error):
        return "Go online, or download the data and give the folder as `location`."
    return "Correct `location`, `subset`, `data_files`, `revision` or `split`."
