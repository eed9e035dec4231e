"""What the servers on 127.0.0.1 have in common: real HTTP, and connections that can be cut."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def served(held, handler):
    """Serve ``held`` at ``held.url`` until the block ends.

    Args:
        held: what the server holds and how it behaves; the handler's ``held``.
        handler: a class of :class:`Handler`.
    """
    own = type("Own", (handler,), {"held": held})
    server = ThreadingHTTPServer(("127.0.0.1", 0), own)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def log_message(self, *args):
        """Say nothing: tests read what was asked for."""

    def send(self, status, body, headers, cut=None):
        """Send an answer whole, or cut the connection after so many bytes of its body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


def first_asked(asked):
    """The first byte of ``Range: bytes=N-``."""
    return int(asked.removeprefix("bytes=").partition("-")[0])


def flipped(content):
    """Every byte another one."""
    return bytes(byte ^ 0xFF for byte in content)
