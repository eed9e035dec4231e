from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from conformance.errors import SessionError
from conformance.shapes import apart
from conformance.shapes.apart import run_apart

FEEDS = {"x": np.zeros((0, 3), "f4")}


def test_an_answer_comes_back_whole():
    """What a model answers in the other process is what the caller gets."""
    found = run_apart(lambda feeds: {"y": feeds["x"], "pid": np.array(os.getpid())}, FEEDS)
    assert found["y"].shape == (0, 3)
    assert found["pid"] != os.getpid()


def test_a_crash_is_a_refusal():
    """A kernel that ends its process does not end the proof, and its signal is named."""
    with pytest.raises(SessionError, match="SIGABRT"):
        run_apart(lambda feeds: os.kill(os.getpid(), signal.SIGABRT), FEEDS)
    with pytest.raises(SessionError, match="exit status 3"):
        run_apart(lambda feeds: os._exit(3), FEEDS)


def test_a_refusal_stays_one():
    """An exception is raised again where it was asked for."""

    def refuse(feeds):
        raise SessionError("not with me")

    with pytest.raises(SessionError, match="not with me"):
        run_apart(refuse, FEEDS)


def test_a_model_that_hangs_is_ended(monkeypatch, tmp_path):
    """Waiting has an end, and leaves no process behind."""
    monkeypatch.setattr(apart, "_PATIENCE_S", 1.0)

    def hang(feeds):
        (tmp_path / "pid").write_text(str(os.getpid()))
        threading.Event().wait()

    with pytest.raises(SessionError, match="no answer"):
        run_apart(hang, FEEDS)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
