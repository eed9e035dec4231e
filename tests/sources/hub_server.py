"""A hub of one's own on 127.0.0.1: what ``huggingface_hub`` asks for, served over real HTTP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loopback import Handler, first_asked, flipped, served


@dataclass
class Hub:
    """What the server holds, and how it behaves; tests change it while it runs."""

    repo: str
    folder: Path
    commit: str = "c0ffee" + "0" * 34
    #: Branches and tags; the commit itself always resolves.
    refs: tuple[str, ...] = ("main", "v1")
    #: When set, requests without it as bearer token are told that there is no such model.
    token: str | None = None
    #: Answer every request with this status.
    broken: int | None = None
    #: Files whose bytes are flipped on their way.
    damaged: set[str] = field(default_factory=set)
    #: Bytes of a file that are sent before the connection is cut, once.
    cut_after: dict[str, int] = field(default_factory=dict)
    #: Answer requests for a part of a file with that part; with all of it otherwise.
    ranges: bool = True
    #: Files whose bytes are flipped when a part of them is asked for.
    damaged_parts: set[str] = field(default_factory=set)
    #: What was asked for by ``Range``.
    ranges_asked: list[str] = field(default_factory=list)
    #: Paths asked for, with their method.
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def files(self) -> dict[str, bytes]:
        """Path in the repository to content."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


def serving(hub: Hub):
    """Serve ``hub`` at ``hub.url`` until the block ends."""
    return served(hub, _Handler)


def _git_blob_id(content: bytes) -> str:
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _described(name: str, content: bytes) -> dict:
    blob = {"oid": _git_blob_id(content), "size": len(content)}
    if not name.endswith((".safetensors", ".onnx", ".onnx_data", ".onnx.data")):
        return blob
    lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return {**blob, "lfs": lfs}


class _Handler(Handler):
    held: Hub

    def answer(self):
        hub, path = self.held, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        if hub.broken is not None:
            return self._error(hub.broken, None)
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self._error(401, "RepoNotFound")
        api, resolve = f"/api/models/{hub.repo}", f"/{hub.repo}/resolve/"
        if path == api or path.startswith(f"{api}/revision/"):
            ref = path.removeprefix(api).removeprefix("/revision/") or "main"
            return self._known(ref) and self._json(self._info())
        if path.startswith(f"{api}/tree/"):
            ref = path.removeprefix(f"{api}/tree/")
            return self._known(ref) and self._json(self._tree())
        if path.startswith(resolve):
            ref, _, name = path.removeprefix(resolve).partition("/")
            return self._known(ref) and self._file(name)
        return self._error(404, "RepoNotFound")

    def _known(self, ref):
        if ref in (*self.held.refs, self.held.commit):
            return True
        self._error(404, "RevisionNotFound")
        return False

    def _info(self):
        siblings = []
        for name, content in self.held.files().items():
            about = _described(name, content)
            sibling = {"rfilename": name, "size": about["size"], "blobId": about["oid"]}
            if lfs := about.get("lfs"):
                sibling["lfs"] = {
                    "sha256": lfs["oid"],
                    "size": lfs["size"],
                    "pointerSize": lfs["pointerSize"],
                }
            siblings.append(sibling)
        return {"id": self.held.repo, "sha": self.held.commit, "siblings": siblings}

    def _tree(self):
        files = self.held.files().items()
        return [{"type": "file", "path": name, **_described(name, c)} for name, c in files]

    def _file(self, name):
        content = self.held.files().get(name)
        if content is None:
            return self._error(404, "EntryNotFound")
        about = _described(name, content)
        etag = about.get("lfs", about)["oid"]
        if name in self.held.damaged:
            content = flipped(content)
        headers = {"X-Repo-Commit": self.held.commit, "ETag": f'"{etag}"'}
        if asked := self.headers.get("Range"):
            self.held.ranges_asked.append(asked)
            if self.held.ranges:
                return self._part(name, content, headers, asked)
        cut = self.held.cut_after.pop(name, None) if self.command == "GET" else None
        return self.send(200, content, headers, cut)

    def _part(self, name, content, headers, asked):
        first = first_asked(asked)
        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        part = content[first:]
        if name in self.held.damaged_parts:
            part = flipped(part)
        return self.send(206, part, headers)

    def _json(self, value):
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status, code):
        self.send(status, b"", {"X-Error-Code": code} if code else {})
