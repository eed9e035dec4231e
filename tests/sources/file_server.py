"""A server of files on 127.0.0.1, which tests make behave badly; real HTTP."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from loopback import Handler, first_asked, flipped, served


@dataclass
class Files:
    """What the server holds, and how it behaves; tests change it while it runs."""

    #: Path, with what follows ``?``, to content.
    files: dict[str, bytes] = field(default_factory=dict)
    #: Path to the address that it sends people to.
    redirects: dict[str, str] = field(default_factory=dict)
    #: Bytes that one answer sends before the connection is cut, for the next answers in turn.
    cuts: list[int] = field(default_factory=list)
    #: Answer requests for a part with that part; with all of it otherwise.
    ranges: bool = True
    etag: bool = True
    #: Tell the MD5 as Google's storage does.
    md5: bool = False
    #: Flip the bytes on their way.
    damaged: bool = False
    #: When set, requests without this ``Authorization`` are refused.
    authorization: str | None = None
    #: Answer every request with this status.
    broken: int | None = None
    #: Path, ``Range`` and ``Authorization`` of each request.
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""


def serving_files(files):
    """Serve ``files`` at ``files.url`` until the block ends."""
    return served(files, _Handler)


class _Handler(Handler):
    held: Files

    def answer(self):
        held = self.held
        asked, login = self.headers.get("Range"), self.headers.get("Authorization")
        held.requests.append((self.path, asked, login))
        if held.broken is not None:
            return self.send(held.broken, b"", {})
        if held.authorization not in (None, login):
            return self.send(401, b"", {})
        if self.path in held.redirects:
            return self.send(302, b"", {"Location": held.redirects[self.path]})
        content = held.files.get(self.path)
        if content is None:
            return self.send(404, b"", {})
        return self._file(content, asked)

    def _file(self, content, asked):
        held, headers, status = self.held, {}, 200
        etag = f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'
        if held.etag:
            headers["ETag"] = etag
        if held.md5:
            digest = hashlib.md5(content, usedforsecurity=False).digest()
            headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={base64.b64encode(digest).decode()}"
        if held.damaged:
            content = flipped(content)
        if asked and held.ranges and self.headers.get("If-Range") in (None, etag):
            first = first_asked(asked)
            if first >= len(content):
                return self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        return self.send(status, content, headers, held.cuts.pop(0) if held.cuts else None)
