"""The process that renders chat templates, from the side of who asks it: with a limit of time, on any thread."""

import atexit
import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_CHARACTERS = 10_000_000
"""The longest prompt; a window of a million tokens holds less."""

SECONDS = 30.0
"""The longest that a prompt may take to be laid out, the start of the process included; it takes less than one."""

_WORKER = Path(__file__).with_name("template_worker.py")


class TemplateExcessError(Exception):
    """A template wants more time, memory or room than it gets."""


class TemplateRefusalError(Exception):
    """A template refuses the messages."""


class TemplateProcess:
    """Renders templates one after the other; begins when it is first needed, and anew when it had to be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def start(self) -> None:
        """Begin without waiting, so that it is ready when the first prompt is wanted."""
        with self._lock:
            self._running()

    def render(
        self,
        template: str,
        messages: Sequence[Mapping[str, Any]],
        arguments: Mapping[str, Any],
        *,
        add_generation_prompt: bool,
        today: str,
    ) -> str:
        """Lay out messages.

        Args:
            template: Jinja, as it came with a tokenizer.
            messages: role and content of each.
            arguments: what else the template is told; plain values.
            add_generation_prompt: whether the prompt ends where an answer begins.
            today: the date that it sees, in ISO format.

        Raises:
            TemplateRefusalError: the template refuses the messages.
            TemplateExcessError: it takes too long, or too much memory, or its text is too long.
        """
        request = {
            "template": template,
            "messages": list(messages),
            "arguments": dict(arguments),
            "add_generation_prompt": add_generation_prompt,
            "today": today,
            "limit": MOST_CHARACTERS,
        }
        with self._lock:
            reply = self._ask(json.dumps(request).encode("ascii") + b"\n")
        if "refusal" in reply:
            raise TemplateRefusalError(reply["refusal"])
        if "excess" in reply:
            raise TemplateExcessError(f"one that wants more {reply['excess']} than it gets")
        return str(reply["text"])

    def _ask(self, request: bytes) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
            line = self._line(process)
        except BrokenPipeError:
            line = b""
        except BaseException:  # an interrupt, say: what is still to come would be taken for the next prompt
            self._end()
            raise
        if not line:
            self._end()
            raise TemplateExcessError("one that ended the process that renders it, most likely by its memory")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """One line of the reply; nothing if the process ended."""
        assert process.stdout is not None
        line = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(SECONDS):
                    self._end()
                    raise TemplateExcessError(f"one that was not done after {SECONDS:.0f} seconds")
                part = os.read(process.stdout.fileno(), 2**16)
                if not part:
                    return b""
                line += part
        return bytes(line)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():
            self._process = None  # a forked child must not talk to its parent's
        elif self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_WORKER)],  # -P: no module beside it takes the place of another
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt is for the run; this process ends when nobody writes to it
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()


PROCESS = TemplateProcess()
"""The one of this program."""

atexit.register(PROCESS.close)
