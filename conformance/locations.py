"""Where things are kept when nobody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache_dir() -> Path:
    """``$CONFORMANCE_CACHE_DIR``, or the platform's cache folder for this package."""
    from platformdirs import user_cache_path

    given = os.environ.get("CONFORMANCE_CACHE_DIR")
    return Path(given) if given else user_cache_path("pytest-onnx-conformance")
