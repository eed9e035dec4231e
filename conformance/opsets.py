"""Versions of ONNX's own operators, as a zoo writes them: numbers and ranges of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What a model can be converted to: ONNX Runtime promises the first, and onnx's version converter
#: begins there; ONNX Runtime 1.31 refuses what is newer than the last.
CONVERTIBLE = (7, 26)
#: ``13-18``, both ends included.
RANGE = r"^\s*[0-9]{1,4}\s*-\s*[0-9]{1,4}\s*$"


def opsets_in(value: object) -> range | None:
    """The opsets that a number or the text of a range stands for.

    Args:
        value: as read from a zoo.

    Returns:
        ``None`` for what is neither, and for a range that ends before it begins.
    """
    if type(value) is int:
        return range(value, value + 1)
    if not isinstance(value, str) or not re.match(RANGE, value):
        return None
    first, last = (int(part) for part in value.split("-"))
    return range(first, last + 1) if first <= last else None


def expanded(value: object) -> object:
    """A list of opsets and ranges as opsets alone, or a range on its own; whatever else as it is.

    Raises:
        ValueError: when a range ends before it begins.
    """
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        return value
    for item in listed:
        if isinstance(item, str) and re.match(RANGE, item) and opsets_in(item) is None:
            raise ValueError(f"the range '{item}' ends before it begins")
    found = [opsets_in(item) for item in listed]
    if all(span is not None for span in found):
        return tuple(_each(found))
    if value is not listed:
        raise ValueError(f"'{value}' is no range of opsets such as '13-18'")
    # pydantic tells of the others by their place in the list, so each range stays one item
    return tuple(
        item if span is None else span.start for item, span in zip(listed, found, strict=True)
    )


def _each(spans: list[range | None]) -> Iterator[int]:
    for span in spans:
        yield from span or ()
