"""Zoo files: YAML in, located entries and cases out, errors with file:line:column."""

from conformance.zoo.problems import Problem, ZooError
from conformance.zoo.reader import LocatedCase, LocatedEntry, Zoo, read_zoo

__all__ = ["LocatedCase", "LocatedEntry", "Problem", "Zoo", "ZooError", "read_zoo"]
