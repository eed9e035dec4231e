"""Adapters and targets of child processes that are careless with secrets."""

# ruff: noqa: T201 - to print is what they are for

from __future__ import annotations

import os
import sys

from miniatures import Honest

from conformance.errors import LoadError

LOGIN = "https://anna:correct-horse@example.org/model"


class Leaking(Honest):
    """Tells everybody why it could not load its model."""

    def load(self, job):
        print("loading with", os.environ["HF_TOKEN"], "from", LOGIN)
        raise RuntimeError(f"401 for {os.environ['HF_TOKEN']} at {LOGIN}")


def leak(payload, progress):
    """Print the token and a login, and raise an error that holds both."""
    print("stdout", os.environ["HF_TOKEN"], LOGIN)
    print("stderr", os.environ["HF_TOKEN"], LOGIN, file=sys.stderr)
    raise LoadError(f"401 for {os.environ['HF_TOKEN']} at {LOGIN}")


def leak_and_die(payload, progress):
    """Print the token and end without a result."""
    print("dying", os.environ["HF_TOKEN"], flush=True)
    os._exit(3)
