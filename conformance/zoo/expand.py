"""One entry to its cases."""

from __future__ import annotations

from itertools import product

from conformance.entry import ZooEntry
from conformance.model import Case, FrameworkInfo


def expand(entry: ZooEntry, info: FrameworkInfo | None) -> tuple[Case, ...]:
    """Exporter x opset x variant, each in the order of the entry, variants fastest.

    Args:
        entry: a valid entry.
        info: its framework; ``None`` for an adapter that is not in the catalogue, whose
            entries give ``exporters`` and ``opsets`` themselves.
    """
    exporters, opsets = entry.exporters or (), entry.opsets or ()
    if info is not None:
        exporters = exporters or info.exporters[:1]
        opsets = opsets or (info.default_opset,)
    return tuple(
        Case(entry, exporter, opset, variant)
        for exporter, opset, variant in product(exporters, opsets, entry.variants)
    )
