"""Which side moved when a case turned red or slow: the converter, the runtime, or another.

Everything is told from the records of two runs, the bundles that the cache still has, and what
they do when they are replayed; no framework is imported.
"""

from conformance.blame.attribution import Attribution, Evidence, Graphs, Side, attribute
from conformance.blame.environments import confirm
from conformance.blame.evidence import gather
from conformance.blame.turn import NoTurn, Sighting, Turn, Turned, find_turn

__all__ = [
    "Attribution",
    "Evidence",
    "Graphs",
    "NoTurn",
    "Side",
    "Sighting",
    "Turn",
    "Turned",
    "attribute",
    "confirm",
    "find_turn",
    "gather",
]
