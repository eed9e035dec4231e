"""Numbers with their units, as people read them."""

from __future__ import annotations

#: What stands where there is no figure.
NOTHING = "–"  # noqa: RUF001 - an en dash is meant
_THOUSAND = 1000
_TEN = 10
_MILLION = 1e6 - 0.5


def count(number: int, one: str, many: str) -> str:
    """``1 output``, ``2 outputs``."""
    return f"{number} {one if number == 1 else many}"


def figure(value: float | None, unit: str = "") -> str:
    """Three significant digits, with the unit behind it; a dash where there is none."""
    if value is None:
        return NOTHING
    return f"{value:.3g} {unit}" if unit else f"{value:.3g}"


def element(value: float | str | None) -> str:
    """An element of an output: as many digits as single precision holds, anything else whole."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def duration(nanoseconds: float) -> str:
    """Three significant digits with the unit that fits: ``512 ns``, ``12.3 µs``, ``1.04 s``."""
    value = float(nanoseconds)
    for unit in ("ns", "µs", "ms"):
        if value < _THOUSAND - 0.5:
            return f"{_three_digits(value)} {unit}"
        value /= _THOUSAND
    return f"{_three_digits(value)} s"


def elapsed(seconds: float) -> str:
    """``8.2 s`` below a minute, else ``12 min 5 s`` and ``1 h 2 min``."""
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds:.1f} s"
    if seconds < hour:
        return f"{int(seconds // minute)} min {int(seconds % minute)} s"
    return f"{int(seconds // hour)} h {int(seconds % hour // minute)} min"


def size(count: float) -> str:
    """Bytes in decimal units: ``950 B``, ``1.24 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < _THOUSAND - 0.5:
            return f"{_three_digits(value)} {unit}"
        value /= _THOUSAND
    return f"{_three_digits(value)} GB"


def times(value: float) -> str:
    """A multiple in two significant digits: ``0.043×``, ``1.3×``, ``24×``."""  # noqa: RUF002
    return f"{two_digits(value)}×"  # noqa: RUF001


def two_digits(value: float) -> str:
    """Two significant digits; whole numbers from ten on, powers of ten from a million on."""
    if value == 0:
        return "0"
    if abs(value) >= _MILLION:
        return f"{value:.2g}"
    return f"{value:.0f}" if abs(value) >= _TEN - 0.05 else f"{value:.2g}"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
