"""Models of the Hugging Face hub, kept in plain folders."""
from __future__ import annotations
from pathlib import Path
def snapshot(repo: str, revision: str | None, cache_dir: Path, *, offline: bool) -> Path:
    """x"""
    raise NotImplementedError
