"""Which addresses a page may lead to: none that runs anything, none outside its folder."""

from __future__ import annotations

from urllib.parse import quote, urlsplit


def safe_link(url: str | None) -> str | None:
    """The address if a browser may follow it: http or https, nothing that runs."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def safe_path(path: str) -> str | None:
    """A path below the report's folder, as a relative address; None for any that leaves it."""
    parts = path.rstrip("/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        return None
    return "/".join(quote(part, safe="", errors="replace") for part in parts)
