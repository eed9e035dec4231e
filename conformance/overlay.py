"""An environment that is this one but for one package: what differs in it is that package's."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from conformance.errors import ConformanceError

_TAIL_CHARS = 300
#: Python reads it when it starts: the packages of this environment come after the overlay's own.
_PATHS = "_around.pth"


class NotInstalled(ConformanceError):
    """An environment could not be made."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One version of a distribution, such as ``onnxruntime`` 1.31.1."""

    distribution: str
    version: str

    @classmethod
    def of(cls, distribution: str, version: str) -> Self:
        """Check both.

        Raises:
            ValueError: when one of them cannot be one.
        """
        try:
            named = Requirement(distribution)
            pinned = Version(version)
        except InvalidRequirement as error:
            raise ValueError(f"'{distribution}' is not the name of a package") from error
        except InvalidVersion as error:
            raise ValueError(f"{distribution} has no version '{version}'") from error
        if str(named) != named.name:
            raise ValueError(f"'{distribution}' is more than the name of a package")
        return cls(named.name, str(pinned))

    def __str__(self) -> str:
        return f"{self.distribution}=={self.version}"


@contextmanager
def overlay(pin: Pin, timeout_s: float, tell: Callable[[str], None]) -> Iterator[Path]:
    """The Python of a virtual environment that lives as long as the block.

    It sees everything that is installed here, and before that what it holds itself: the pinned
    package, and what that needs in another version than the one that is here.

    Args:
        pin: what is installed; from the index and with the options that pip is set up with.
        timeout_s: for the installation.
        tell: called with what is done.

    Raises:
        NotInstalled: when the environment cannot be made in time.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-venv-") as folder:
        python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        tell(f"installing {pin} in an environment of its own")
        # the pip that is installed here is seen from there; a copy would take seconds
        alone = [] if find_spec("pip") is None else ["--without-pip"]
        _run([sys.executable, "-m", "venv", *alone, folder], pin, timeout_s)
        own = sysconfig.get_path("purelib", "venv", {"base": folder, "platbase": folder})
        here = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
        paths = "; ".join(f"site.addsitedir({path!r})" for path in here)
        Path(own, _PATHS).write_text(f"import site; {paths}\n", encoding="utf-8")
        # wheels only: a source distribution would run code to be built
        options = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:")
        _run([str(python), "-m", "pip", "install", *options, str(pin)], pin, timeout_s)
        yield python


def _run(command: list[str], pin: Pin, timeout_s: float) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PIP_NO_INPUT": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{pin} was not installed within {timeout_s:g} s") from error
    except OSError as error:
        raise NotInstalled(f"{pin}: {error}") from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = lines[-1][:_TAIL_CHARS] if lines else f"exit code {done.returncode}"
        raise NotInstalled(f"{pin} could not be installed: {said}")
