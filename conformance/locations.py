"""Where things are kept when nobody says otherwise."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def default_cache_dir() -> Path:
    """``$CONFORMANCE_CACHE_DIR``, or the platform's cache folder for this package."""
    from platformdirs import user_cache_path

    given = os.environ.get("CONFORMANCE_CACHE_DIR")
    return Path(given) if given else user_cache_path("pytest-onnx-conformance")


def machine_lock_file() -> Path:
    """``$CONFORMANCE_MACHINE_LOCK``, or a file of this user and machine.

    It is beside no cache: runs with other caches share the machine as well. The machine's name
    is in it because a home folder may be on several machines.
    """
    from platformdirs import user_cache_path

    given = os.environ.get("CONFORMANCE_MACHINE_LOCK")
    if given:
        return Path(given)
    return user_cache_path("pytest-onnx-conformance") / f"machine-{platform.node()}.lock"
