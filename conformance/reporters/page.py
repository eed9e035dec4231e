"""What every page of ours has: a template that escapes, and its style inside it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from conformance.reporters.inert import inert


@dataclass(frozen=True, slots=True)
class Inlined:
    """Files of this package inside the page, and the digest by which the page admits them."""

    text: Any
    digest: str


def inlined(*names: str) -> Inlined:
    """Files among the templates, one after the other, to stand in the page as they are."""
    from markupsafe import Markup

    folder = files("conformance.reporters").joinpath("templates")
    text = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Inlined(Markup(text), f"sha256-{digest}")  # noqa: S704 - our own files


def trusted(text: str) -> Any:
    """Text that the template shows unescaped: JSON made inert, or base64."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - of inert_json or base64, see the docstring


def page_environment() -> Any:
    """A ``jinja2.Environment`` in which whatever is shown is inert."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("conformance.reporters"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Spell out control characters of whatever the template shows; escaping comes after."""
    return value if hasattr(value, "__html__") else inert(str(value))
