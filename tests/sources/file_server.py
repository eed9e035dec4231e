"""A server of files on 127.0.0.1, which tests make behave badly; real HTTP."""

from __future__ import annotations

import base64
import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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


@contextmanager
def serving_files(files):
    """Serve ``files`` at ``files.url`` until the block ends."""
    handler = type("Handler", (_Handler,), {"held": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    files.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    held: Files
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Say nothing: tests read ``requests``."""

    def do_GET(self):
        held = self.held
        asked, login = self.headers.get("Range"), self.headers.get("Authorization")
        held.requests.append((self.path, asked, login))
        if held.broken is not None:
            return self._send(held.broken, b"", {})
        if held.authorization not in (None, login):
            return self._send(401, b"", {})
        if self.path in held.redirects:
            return self._send(302, b"", {"Location": held.redirects[self.path]})
        content = held.files.get(self.path)
        if content is None:
            return self._send(404, b"", {})
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
            content = bytes(byte ^ 0xFF for byte in content)
        if asked and held.ranges and self.headers.get("If-Range") in (None, etag):
            first = int(asked.removeprefix("bytes=").partition("-")[0])
            if first >= len(content):
                return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        return self._send(status, content, headers, held.cuts.pop(0) if held.cuts else None)

    def _send(self, status, body, headers, cut=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None
