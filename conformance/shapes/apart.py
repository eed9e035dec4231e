"""Run a model where it can do no harm: kernels meant for some elements may crash on none."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn

from conformance.errors import SessionError
from conformance.tensors import Arrays

#: A model that is asked for nothing answers at once, or hangs.
_PATIENCE_S = 60.0

Run = Callable[[Arrays], Arrays]


def run_apart(run: Run, feeds: Arrays) -> Arrays:
    """Run a model in a forked copy of this process.

    Args:
        run: a session that uses no threads of its own; raises SessionError.
        feeds: what to run it on.

    Raises:
        SessionError: when the model is refused, ends its process, or does not answer in time.
    """
    receiver, sender = Pipe(duplex=False)
    child = os.fork()
    if not child:
        _answer(run, feeds, sender)
    sender.close()
    answer: Arrays | Exception | None = None
    try:
        if receiver.poll(_PATIENCE_S):
            answer = receiver.recv()
        else:
            answer = SessionError(f"ONNX Runtime gave no answer within {_PATIENCE_S:.0f} s")
            os.kill(child, signal.SIGKILL)
    except EOFError:
        pass  # it ended without a word: its exit status tells
    finally:
        receiver.close()
        _, status = os.waitpid(child, 0)
    if answer is None:
        raise SessionError(f"ONNX Runtime ended its process ({_how(status)})")
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answer(run: Run, feeds: Arrays, sender: Connection) -> NoReturn:
    """The child: answers through the pipe, and leaves nothing else behind."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer: Arrays | Exception = run(feeds)
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        answer = error
    try:
        sender.send(answer)
    finally:
        # no cleanup of what belongs to the parent: buffers, temporary folders, test sessions
        os._exit(0)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
