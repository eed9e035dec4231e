"""A fork server as its owner sees it: the process, what it is told, and what it answers."""

from __future__ import annotations

import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

#: More than the two lines that a child's life is told in.
_PIPE_BYTES = 4096


class Server:
    """A parent that forks children: takes a line for each, gives lines back."""

    def __init__(self, preload: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Start it; it imports ``preload`` first, and then says whether it may be forked."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "conformance.execution.forkserver", *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is ours to handle, not the server's
        )
        #: What it has answered and nobody has asked for yet.
        self._unread = b""

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def order(self, spec: Path) -> None:
        """Have a child forked for a spec."""
        if self._process.stdin is None:
            raise RuntimeError("the fork server was started without pipes")
        self._process.stdin.write(f"{spec}\n".encode())

    def answer(self, timeout_s: float) -> bytes | None:
        """Its next line: None when it takes longer, empty when the process is gone."""
        if self._process.stdout is None:
            raise RuntimeError("the fork server was started without pipes")
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                more = self._process.stdout.read(_PIPE_BYTES)
                if not more:
                    return b""
                self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def wait(self) -> int:
        """How it ended; it has closed its output."""
        return self._process.wait()

    def end(self) -> int:
        """Kill it and close its pipes; how it ended, if it had before."""
        self._process.kill()
        self._process.communicate()
        return self._process.returncode
