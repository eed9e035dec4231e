"""A small catalogue of frameworks, and reading of zoo text, as fixtures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from small_frameworks import FRAMEWORKS

from conformance.model import FrameworkInfo
from conformance.zoo import ZooError, read_zoo


@pytest.fixture
def frameworks() -> Mapping[str, FrameworkInfo]:
    """Two frameworks, by name."""
    return FRAMEWORKS


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a zoo file, from text or bytes, and return its path."""

    def write(content: str | bytes, name: str = "zoo.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


@pytest.fixture
def problems_of(write, tmp_path: Path) -> Callable[..., list[str]]:
    """Read a zoo and return its problems, paths relative to the folder of the zoo."""

    def problems_of(content: str | bytes) -> list[str]:
        with pytest.raises(ZooError) as caught:
            read_zoo([write(content)], FRAMEWORKS)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return problems_of
