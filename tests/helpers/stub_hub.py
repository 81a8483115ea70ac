"""A hub on loopback: as much of the Hugging Face hub's HTTP interface as its client asks of it for small models."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_owner"
COMMIT = "c0ffee" * 6 + "c0ff"


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    said_sizes: dict[str, int] = field(default_factory=dict)
    """What the hub says of a file, where that is not its size."""


@dataclass
class StubHub:
    endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """What was uploaded as large files, by sha256."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""


@contextmanager
def stub_hub() -> Iterator[StubHub]:
    hub = StubHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: StubHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: Any) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self, with_body: bool = True) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content, headers = self._found(path, body)
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _found(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/":
            return 200, b"", {}
        if self.command == "POST" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials"}, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return 200, {"warnings": [], "errors": []}, {}
        if upload := re.fullmatch(r"/upload/(\w+)", path):
            assert hashlib.sha256(body).hexdigest() == upload[1]
            self.hub.large[upload[1]] = body
            return 200, b"", {}
        for pattern, answer in (
            (r"/api/models/([^/]+/[^/]+)/preupload/main", self._preupload),
            (r"/api/models/([^/]+/[^/]+)/commit/main", self._commit),
            (r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", self._info),
            (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            (r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self._file),
        ):
            if match := re.fullmatch(pattern, path):
                repository = self.hub.repositories.get(match[1])
                if repository is None:
                    return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
                return answer(repository, match, body)
        return 404, {"error": f"no such page {path}"}, {}

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        name = f"{asked.get('organization', 'me')}/{asked['name']}"
        url = {"url": f"{self.hub.endpoint}/{name}"}
        if name in self.hub.repositories:
            return 409, {"error": "You already created this model repo", **url}, {}
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.repositories[name] = Repository(private)
        return 200, url, {}

    def _info(self, repository: Repository, match: re.Match, body: bytes) -> tuple[int, Any, dict[str, str]]:
        sizes = {name: len(content) for name, content in repository.files.items()} | repository.said_sizes
        files = [{"rfilename": name, "size": size, "blobId": "0" * 40} for name, size in sizes.items()]
        return 200, {"id": match[1], "sha": COMMIT, "private": repository.private, "siblings": files}, {}

    def _preupload(self, repository: Repository, match: re.Match, body: bytes) -> tuple[int, Any, dict[str, str]]:
        names = [file["path"] for file in json.loads(body)["files"]]
        modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
        files = [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]
        return 200, {"files": files}, {}

    def _batch(self, repository: Repository, match: re.Match, body: bytes) -> tuple[int, Any, dict[str, str]]:
        objects = [
            {**wanted, "actions": {"upload": {"href": f"{self.hub.endpoint}/upload/{wanted['oid']}"}}}
            for wanted in json.loads(body)["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}, {}

    def _commit(self, repository: Repository, match: re.Match, body: bytes) -> tuple[int, Any, dict[str, str]]:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.large[value["oid"]]
        url = f"{self.hub.endpoint}/{match[1]}/commit/{COMMIT}"
        return 200, {"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""}, {}

    def _file(self, repository: Repository, match: re.Match, body: bytes) -> tuple[int, Any, dict[str, str]]:
        content = repository.files.get(match[2])
        if content is None:
            return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}
        return 200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
