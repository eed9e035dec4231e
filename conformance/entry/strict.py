"""What all models of an entry have in common."""

from __future__ import annotations

import re

from pydantic import (
    BaseModel,
    ConfigDict,
)

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class Strict(BaseModel):
    """Unknown keys are errors, and values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def _differs(self, name: str) -> bool:
        """Whether a field is other than its default; not "was given", which dumping loses."""
        if name not in self.model_fields_set:
            return False  # what was not given is its default, and most fields are not
        return bool(getattr(self, name) != type(self).model_fields[name].default)


class Conversion(Strict):
    """Parameters handed to an exporter; each framework's adapter declares its own."""


def check_reference(value: str) -> str:
    """Accept ``pkg.module:name``.

    Raises:
        ValueError: when ``value`` does not name an attribute of a module.
    """
    if not _REFERENCE.fullmatch(value):
        raise ValueError(f"'{value}' is not of the form 'pkg.module:name'")
    return value
