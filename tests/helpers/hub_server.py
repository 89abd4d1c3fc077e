"""A hub for the tests: repositories in a folder, behind the few addresses that a scorer needs of one."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    folder: Path
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Tests say what went wrong."""

    def _answer(self, found: Any = None, status: int = 200, **headers: str) -> None:
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urlsplit(self.path).path.strip("/").split("/")
        if self.headers.get("Authorization") != "Bearer hf_of_a_test":
            self._answer({"error": "who are you?"}, 401)
        elif parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            self._answer({"url": f"http://{self.headers['Host']}/{name}"})
        elif parts[:2] == ["api", "validate-yaml"]:
            self._answer({"errors": [], "warnings": []})
        elif parts[4] == "preupload":
            modes = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self._answer({"files": modes})
        else:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    path = self.folder / parts[2] / parts[3] / line["value"]["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(base64.b64decode(line["value"]["content"]))
            self._answer({"success": True, "commitUrl": f"/{parts[2]}/{parts[3]}/commit/{COMMIT}", "commitOid": COMMIT})

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[0] != "api":
            path = self.folder.joinpath(*parts[:2], *parts[4:])
            if path.is_file():
                self._answer(path.read_bytes(), ETag=f'"{path.stat().st_size:040d}"', X_Repo_Commit=COMMIT)
            else:
                self._answer({"error": "no such file"}, 404)
            return
        repo = self.folder / parts[2] / parts[3]
        files = [path for path in sorted(repo.rglob("*")) if path.is_file()]
        if parts[4] == "tree":
            kept = [(path.relative_to(repo).as_posix(), path.stat().st_size) for path in files]
            self._answer([{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in kept])
        else:
            names = [{"rfilename": path.relative_to(repo).as_posix()} for path in files]
            self._answer({"id": "/".join(parts[2:4]), "sha": COMMIT, "private": False, "siblings": names})

    do_HEAD = do_GET


@contextmanager
def hub_server(folder: Path) -> Iterator[str]:
    """Serve a folder as a hub; yields its address. Whoever writes must have the token `hf_of_a_test`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_OwnHub", (_Hub,), {"folder": folder}))
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)  # how often it looks for its end, s
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
