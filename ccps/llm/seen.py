"""Where models lie on this machine, by their fingerprints: for files that may be taken elsewhere, and name no path."""

from pathlib import Path

from ccps.assets import catalogue as assets
from ccps.llm.cache_notes import read_memory, write_memory

_FILE = "places.json"


def note_place(fingerprint: str, path: Path) -> None:
    """Remember where a model lies; where the cache cannot be written, nothing is remembered."""
    file = assets.cache_folder() / _FILE
    known = read_memory(file)
    if known.get(fingerprint) != str(path.absolute()):
        write_memory(file, {**known, fingerprint: str(path.absolute())})


def noted_place(fingerprint: str) -> Path | None:
    """Where a model of this fingerprint lay, if it is remembered and something still lies there."""
    known = read_memory(assets.cache_folder() / _FILE).get(fingerprint)
    return Path(known) if isinstance(known, str) and Path(known).exists() else None
