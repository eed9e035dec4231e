"""When the figures of a case changed, and what changed with them: pure functions on series."""

from conformance.trend.regressions import (
    Change,
    Origin,
    PackageChange,
    Point,
    by_hardware,
    changes,
    package_changes,
)
from conformance.trend.steps import Step, detect_steps

__all__ = [
    "Change",
    "Origin",
    "PackageChange",
    "Point",
    "Step",
    "by_hardware",
    "changes",
    "detect_steps",
    "package_changes",
]
