"""The details of all cases, small enough to stand in the page, and unpacked one part at a time.

Ten thousand cases have tens of megabytes of details, of which people open a few. They are cut
into parts of so many cases; a part is JSON, deflated (RFC 1950) and written in base64, which
every browser of the last years unpacks by itself (``DecompressionStream``).

Most details differ in their figures alone. So the cases of a part that have the same structure
share it, and their texts stand in columns: the same text of all these cases is one entry. The
id of a case stands as :data:`OWN_ID` in its texts.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from conformance.reporters.blocks import Block
from conformance.reporters.inert import inert_json

#: Cases in a part: more pack better, fewer open faster.
PART = 250
#: A character of Unicode's private use area, which nothing has a use for.
OWN_ID = "\ue000"
#: Of deflate, found by trial on ten thousand cases: 5% less than the usual ones. A low memory
#: level ends a block of codes early, so that each column has codes of its own.
_MEMORY_LEVEL = 4


def packed(details: Sequence[Sequence[Block]], ids: Sequence[str]) -> list[str]:
    """The parts, in the order of the cases whose details and ids these are."""
    return [
        _part(details[start : start + PART], ids[start : start + PART])
        for start in range(0, len(details), PART)
    ]


def _part(details: Sequence[Sequence[Block]], ids: Sequence[str]) -> str:
    """One part: ``[[structures with their columns], [per case: structure, its row there]]``."""
    numbers: dict[str, int] = {}
    groups: list[tuple[Any, list[list[Any]]]] = []
    index = []
    for blocks, case_id in zip(details, ids, strict=True):
        leaves: list[Any] = []
        structure = _without_leaves(list(blocks), leaves)
        key = json.dumps(structure)
        if key not in numbers:
            numbers[key] = len(groups)
            groups.append((structure, []))
        rows = groups[numbers[key]][1]
        index.append([numbers[key], len(rows)])
        rows.append([_without_id(leaf, case_id) for leaf in leaves])
    plain = [[[structure, _columns(rows)] for structure, rows in groups], index]
    deflate = zlib.compressobj(
        zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY_LEVEL, zlib.Z_FILTERED
    )
    deflated = deflate.compress(inert_json(plain).encode()) + deflate.flush()
    return base64.b64encode(deflated).decode("ascii")


def _without_id(leaf: Any, case_id: str) -> Any:
    return leaf.replace(case_id, OWN_ID) if isinstance(leaf, str) and case_id else leaf


def _without_leaves(value: Any, leaves: list[Any]) -> Any:
    """The structure alone, 0 where a text or number was; the script walks it in this order."""
    if isinstance(value, dict):
        return {name: _without_leaves(inner, leaves) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_leaves(inner, leaves) for inner in value]
    leaves.append(value)
    return 0


def _columns(rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Per leaf the list of its values; the value itself where all cases have the same."""
    columns = []
    for values in zip(*rows, strict=True):
        # 1, 1.0 and True are equal and not the same
        alike = all(value == values[0] and type(value) is type(values[0]) for value in values)
        columns.append(values[0] if alike else list(values))
    return columns
