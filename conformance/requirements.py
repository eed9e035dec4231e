"""What must be installed before an entry can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from conformance.entry import SourceKind, ZooEntry
from conformance.model import FrameworkInfo

#: Kinds of source to the client that fetches them, and the extra that brings it.
_CLIENTS: Mapping[SourceKind, tuple[str, str]] = {
    "hub": ("huggingface-hub", "transformers"),
    "modelscope": ("modelscope-hub", "modelscope"),
}


def missing_requirements(entry: ZooEntry, info: FrameworkInfo) -> str | None:
    """What must be installed before this entry can run, as a sentence; None if nothing."""
    absent = [name for name in info.distributions if installed_version(name) is None]
    if absent:
        return (
            f"{', '.join(absent)} not installed: "
            f"pip install 'pytest-onnx-conformance[{info.extra}]'"
        )
    # an adapter of which nothing is known may fetch by itself
    if info.extra and (client := missing_client(entry.source.kind)) is not None:
        return client
    for text in entry.requires:
        requirement = Requirement(text)
        found = installed_version(requirement.name)
        if found is None:
            return f"{requirement.name} not installed: pip install '{text}'"
        if found not in requirement.specifier:
            return (
                f"{requirement.name} {found} is not {requirement.specifier}: pip install '{text}'"
            )
    return None


def missing_client(kind: SourceKind) -> str | None:
    """What must be installed before a kind of source can be fetched; None if nothing."""
    name, extra = _CLIENTS.get(kind, (None, None))
    if name is None or installed_version(name) is not None:
        return None
    return f"{name} not installed: pip install 'pytest-onnx-conformance[{extra}]'"


def missing_distributions(names: Iterable[str]) -> str | None:
    """Which of some distributions are not installed, as a sentence; None if all are."""
    absent = [name for name in names if installed_version(name) is None]
    return f"{', '.join(absent)} not installed: pip install {' '.join(absent)}" if absent else None


@cache
def installed_version(name: str) -> str | None:
    """Installed version of a distribution, None where it is not installed."""
    # once per process: each look parses the distribution's metadata anew
    try:
        return version(name)
    except PackageNotFoundError:
        return None
