"""Adapters and targets of child processes that are careless with secrets."""

# ruff: noqa: T201 - to print is what they are for

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from miniatures import Honest, Linear

from conformance.errors import Float64Unavailable, LoadError

LOGIN = "https://anna:correct-horse@example.org/model"


class Leaking(Honest):
    """Tells everybody why it could not load its model."""

    def load(self, job):
        print("loading with", os.environ["HF_TOKEN"], "from", LOGIN)
        raise RuntimeError(f"401 for {os.environ['HF_TOKEN']} at {LOGIN}")


class Careless(Honest):
    """Converts as it should, and tells secrets in all that is not an error of the conversion."""

    def in_float64(self, model):
        raise Float64Unavailable(f"no float64 at {LOGIN}{'.' * 150} for {os.environ['HF_TOKEN']}")

    def bind(self, model, feeds):
        if len(feeds["x"]) not in (4, 7):
            # the token stands where a short reason would be cut in two
            raise RuntimeError(f"rejected{'.' * 165} for {os.environ['HF_TOKEN']}")
        return super().bind(model, feeds)


class HalfCareless(Careless):
    """Its float64 copy cannot run, and says why where a reason is cut."""

    @contextmanager
    def in_float64(self, model):
        yield Linear(model.weight.astype("f8"), None)

    def outputs(self, model, result):
        return Honest.outputs(self, model, result)

    def bind(self, model, feeds):
        if model.bias is None:
            raise RuntimeError(f"no float64{'.' * 177} for {os.environ['HF_TOKEN']}")
        return super().bind(model, feeds)


def leak_in_its_result(payload, progress):
    """Give back what nobody should read, at any depth."""
    token = os.environ["HF_TOKEN"]
    return {"parity": {"outputs": [{"problem": f"401 for {token} at {LOGIN}"}]}, "n": [1.5, None]}


def leak(payload, progress):
    """Print the token and a login, and raise an error that holds both."""
    print("stdout", os.environ["HF_TOKEN"], LOGIN)
    print("stderr", os.environ["HF_TOKEN"], LOGIN, file=sys.stderr)
    raise LoadError(f"401 for {os.environ['HF_TOKEN']} at {LOGIN}")


def leak_and_die(payload, progress):
    """Print the token and end without a result."""
    print("dying", os.environ["HF_TOKEN"], flush=True)
    os._exit(3)


class Hostile(Honest):
    """Its error means to steer terminals, reorder words, break XML and run in browsers."""

    TEXT = (
        "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202egnp.exe \u200b\u2028\ud800\x00\x08"
        "<script>alert(1)</script> ]]> </testcase> &amp; [bold]x[/bold]\nsecond line\ttab"
    )

    def load(self, job):
        raise RuntimeError(self.TEXT)
