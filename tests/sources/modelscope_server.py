"""ModelScope's API on 127.0.0.1, as far as its client asks for models; real HTTP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from loopback import Handler, first_asked, flipped, served


@dataclass
class ModelScope:
    """What the server holds, and how it behaves; tests change it while it runs."""

    model: str
    folder: Path
    refs: tuple[str, ...] = ("master", "v1", "c0ffee" + "0" * 34)
    #: When set, requests without it as bearer token are told that there is no such model.
    token: str | None = None
    #: Answer every request with this status.
    broken: int | None = None
    #: Files whose bytes are flipped on their way.
    damaged: set[str] = field(default_factory=set)
    #: Bytes of a file that are sent before the connection is cut, for the next answers in turn.
    cuts: dict[str, list[int]] = field(default_factory=dict)
    #: Files without a digest in the listing.
    without_digest: set[str] = field(default_factory=set)
    #: Entries of the listing beside those of the folder.
    listed_too: list[dict] = field(default_factory=list)
    #: Path of each request with ``FilePath`` and ``Range``.
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""

    def fetched(self):
        """The files asked for, with what was asked of each."""
        return [(name, asked) for _, name, asked in self.requests if name is not None]


def serving_modelscope(held):
    """Serve ``held`` at ``held.url`` until the block ends."""
    return served(held, _Handler)


class _Handler(Handler):
    held: ModelScope

    def answer(self):
        held, asked = self.held, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        name = query.get("FilePath")
        held.requests.append((asked.path, name, self.headers.get("Range")))
        if held.broken is not None:
            return self._json(held.broken, {"Message": "broken"})
        api = f"/api/v1/models/{held.model}/repo"
        shown = held.token in (None, self._token())
        if not (asked.path.startswith(api) and shown and query.get("Revision") in held.refs):
            return self._json(404, {"Code": 10010205001, "Message": "not found"})
        if asked.path == f"{api}/files":
            files = self._files("**/*" if query.get("Recursive") == "True" else "*")
            return self._json(200, {"Code": 200, "Data": {"Files": files}})
        return self._file(name)

    def _token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _files(self, pattern):
        found = []
        for path in sorted(self.held.folder.glob(pattern)):
            about = {"Name": path.name, "Path": path.relative_to(self.held.folder).as_posix()}
            if path.is_dir():
                found.append({**about, "Type": "tree", "Size": 0})
                continue
            content = path.read_bytes()
            about |= {"Type": "blob", "Size": len(content)}
            if path.name not in self.held.without_digest:
                about["Sha256"] = hashlib.sha256(content).hexdigest()
            found.append(about)
        return found + self.held.listed_too

    def _file(self, name):
        content, headers, status = (self.held.folder / name).read_bytes(), {}, 200
        if name in self.held.damaged:
            content = flipped(content)
        if asked := self.headers.get("Range"):
            first = first_asked(asked)
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        cuts = self.held.cuts.get(name)
        return self.send(status, content, headers, cuts.pop(0) if cuts else None)

    def _json(self, status, value):
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
