"""A real judge on loopback, and a proxy before it that counts requests and misbehaves on demand."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Fault = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serve(model: Path, log: Path) -> Iterator[int]:
    """`transformers serve` with one model; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    with log.open("wb") as file:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(server, port, log)
            yield port
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()


def _wait_until_healthy(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


class Proxy(ThreadingHTTPServer):
    """Answers the first requests with faults, in order, and hands the others on."""

    daemon_threads = True

    def __init__(self, upstream: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.faults: deque[Fault] = deque()
        self.bodies: list[dict[str, object]] = []
        self.times: list[float] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def asked_about(self) -> list[str]:
        """The last message of each request."""
        return [body["messages"][-1]["content"] for body in self.bodies]  # type: ignore[index]


@contextmanager
def proxy(upstream: int | None = None) -> Iterator[Proxy]:
    with Proxy(upstream) as server:
        # It looks so often (s) whether it is to end; by default each test would wait half a second for that.
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.times.append(time.monotonic())
        if self.server.faults:
            self.server.faults.popleft()(self)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=600)
        connection.request("POST", self.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        send(self, answer.status, answer.read())
        connection.close()

    def log_message(self, *_: object) -> None: ...


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    try:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
    except ConnectionError:  # the client has given up
        handler.close_connection = True


def status(code: int, message: str = "no", **headers: str) -> Fault:
    body = json.dumps({"error": {"message": message}}).encode()
    return lambda handler: send(handler, code, body, **headers)


def raw(body: bytes, **headers: str) -> Fault:
    return lambda handler: send(handler, 200, body, **headers)


def says(text: str | None, usage: bool = True) -> Fault:
    """A completion with this text, of 10 prompt tokens and 2 more."""
    completion: dict[str, object] = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
    }
    if usage:
        completion["usage"] = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return raw(json.dumps(completion).encode())


def silence(handler: BaseHTTPRequestHandler) -> None:
    """Says nothing until the client gives up."""
    with suppress(OSError):
        handler.connection.recv(1)
    handler.close_connection = True


def echo_key(handler: BaseHTTPRequestHandler) -> None:
    """Turns the request away and repeats its key."""
    status(401, f"Incorrect API key: {handler.headers['Authorization']}")(handler)


def hold(reached: threading.Event) -> Fault:
    """Says that the request has come, and leaves it without an answer."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        reached.set()
        silence(handler)

    return fault
