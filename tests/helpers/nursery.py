"""Programs as forks of a process that has loaded what settings need, and nothing heavy.

To start Python, import Hydra and read `conf/` takes longer than what most tests of entry points then look at.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Nursery:
    """Starts programs, one after the other.

    Args:
        connection: to the process that is forked.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._replies = connection.makefile("r", encoding="utf-8")

    def start(self, program: str, *arguments: str, out: int, err: int, ignored: tuple[signal.Signals, ...] = ()) -> int:
        """Start a program.

        Args:
            program: Python.
            arguments: that it finds in `sys.argv`, the first after its name.
            out: file descriptor of its output.
            err: of its errors.
            ignored: signals that it ignores from its start.

        Returns:
            The number of its process.
        """
        request = {"program": program, "arguments": arguments, "ignored": ignored}
        socket.send_fds(self._connection, [json.dumps(request).encode()], [out, err])
        return int(self._replies.readline())

    def code(self) -> int:
        """Wait for the end of what was started last; its exit code, or minus the signal that ended it."""
        return int(self._replies.readline())

    def run(self, program: str, *arguments: str, out: IO[str], err: IO[str]) -> int:
        """Run a program to its end; returns its exit code."""
        self.start(program, *arguments, out=out.fileno(), err=err.fileno())
        return self.code()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """One that ends with the block."""
    ours, its = socket.socketpair()
    with ours, its:
        process = subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            pass_fds=[its.fileno()],
            preexec_fn=_hear_all,  # whoever started the tests may have them ignored
        )
        its.close()
        try:
            yield Nursery(ours)
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            assert process.wait(timeout=60) == 0


def _hear_all() -> None:
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


def _next_child(connection: socket.socket) -> dict[str, Any]:
    """What to do; returns in each child, and ends this process when nobody asks any more."""
    while True:
        message, files, _, _ = socket.recv_fds(connection, 2**20, 2)
        if not message:
            sys.exit()
        child = os.fork()
        if child == 0:
            connection.close()
            for number, file in enumerate(files, start=1):
                os.dup2(file, number)
                os.close(file)
            # Those that were there know whether one could seek in what lay behind them.
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
            request: dict[str, Any] = json.loads(message)
            return request
        for file in files:
            os.close(file)
        connection.send(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        connection.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    from experiments.composing import composed
    from experiments.launch import launch  # noqa: F401  (what every entry point imports)

    for config in ("config", "sweep", "faithful", "probes", "bench", "rollouts"):
        composed(config, [])
    asked = _next_child(socket.socket(fileno=int(sys.argv[1])))
    for one in asked["ignored"]:
        signal.signal(one, signal.SIG_IGN)
    sys.argv[1:] = asked["arguments"]
    exec(asked["program"], {"__name__": "__main__"})
