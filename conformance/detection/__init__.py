"""From what a user names to the entry that the engine runs: framework, source and inputs.

A manifest (one entry of a zoo file), a local file or folder, or the id of a hub model is told
apart by what is there; inputs and their axes come from the model's own configuration or
signature, read in a process of its own. What cannot be found out is an error that says what to
write, and everything that was taken for granted is told.
"""

from conformance.detection.command import convert_command
from conformance.detection.detecting import Detected, detect
from conformance.detection.named import (
    Named,
    Undetected,
    at_revision,
    canonical_name,
    find,
    not_here,
    remote_named,
)
from conformance.detection.signature import Signature
from conformance.detection.wishes import Wishes, parse_input, parse_size

__all__ = [
    "Detected",
    "Named",
    "Signature",
    "Undetected",
    "Wishes",
    "at_revision",
    "canonical_name",
    "convert_command",
    "detect",
    "find",
    "not_here",
    "parse_input",
    "parse_size",
    "remote_named",
]
