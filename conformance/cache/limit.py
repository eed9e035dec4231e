"""How large the cache may grow."""

from __future__ import annotations

import os
import re

#: Environment variable that holds the limit.
VARIABLE = "CONFORMANCE_CACHE_MAX_SIZE"
DEFAULT = "20GB"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of a size such as ``5GB``, ``1.5 GiB`` (powers of 1024) or ``1000``.

    Raises:
        ValueError: when the text is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"'{text}' is not a size such as 500MB, 5GB or 1.5GiB")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])


def size_limit() -> int | None:
    """Bytes that ``$CONFORMANCE_CACHE_MAX_SIZE`` allows, None for ``none``; 20 GB by default.

    Raises:
        ValueError: when the variable is neither a size nor ``none``.
    """
    text = os.environ.get(VARIABLE) or DEFAULT
    if text.strip().lower() == "none":
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {error}, and not 'none'") from error
