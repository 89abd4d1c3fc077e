"""Each file of settings is parsed once a process, though Hydra reads it anew for the check, the run and every job."""

import pickle
from functools import cache
from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource as HydraFiles
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult


class FileConfigSource(HydraFiles):
    """Hydra's source of files, which parses a file again only when it has been written to.

    It goes with the rest of Hydra's state to the processes in which launchers run jobs. Hydra registers its own source
    there too, and takes one of the same name for the same.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """What stands in a file: a copy of its own each time, since Hydra takes the defaults list out of it."""
        try:
            found = Path(self.path, self._normalize_file_name(config_path)).stat()
        except OSError:
            return super().load_config(config_path)  # which says that it is not there
        result = pickle.loads(_parsed(self.provider, self.path, config_path, found.st_mtime_ns, found.st_size))
        assert isinstance(result, ConfigResult)
        return result


@cache
def _parsed(provider: str, folder: str, config_path: str, written_ns: int, size: int) -> bytes:
    return pickle.dumps(HydraFiles(provider, folder).load_config(config_path))


def parse_files_once() -> None:
    """Have Hydra read its files by this source from now on; doing so again changes nothing."""
    Plugins.instance()  # registers Hydra's own sources, after which one may be replaced
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
