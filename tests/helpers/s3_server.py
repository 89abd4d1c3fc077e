"""S3's API on this machine, by moto, in a process of its own that notes what it is asked for."""

import logging
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUCKET = "bucket"


@contextmanager
def running(log: Path) -> Iterator[str]:
    """Run the server with one empty bucket; gives its address. The log says the method of each request, a line each."""
    with subprocess.Popen([sys.executable, __file__, str(log)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            request = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")
            with urllib.request.urlopen(request, timeout=120):
                log.write_text("")
            yield address
        finally:
            process.terminate()


def asked(log: Path) -> Counter[str]:
    """How often each method has been asked for."""
    return Counter(log.read_text(encoding="utf-8").split())


def _serve(log: Path) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        is_listing = environ["REQUEST_METHOD"] == "GET" and "list-type" in environ["QUERY_STRING"]
        with log.open("a") as file:
            file.write("LIST\n" if is_listing else f"{environ['REQUEST_METHOD']}\n")
        answer: Iterable[bytes] = moto(environ, start)
        return answer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
