"""What a failing case leaves behind: a folder, and a zip of it, that shows the failure again."""

from conformance.failures.carry import carry_failure
from conformance.failures.folder import Origin, failure_name, remove_failure, write_failure
from conformance.failures.pack import DoesNotSurvive, NotPacked, pack, pack_randomized
from conformance.failures.prune import prune_failures

__all__ = [
    "DoesNotSurvive",
    "NotPacked",
    "Origin",
    "carry_failure",
    "failure_name",
    "pack",
    "pack_randomized",
    "prune_failures",
    "remove_failure",
    "write_failure",
]
