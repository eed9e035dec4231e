"""How cases are spread over xdist's workers. Imported only when xdist is there."""

from __future__ import annotations

from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling

from conformance.suite.items import case_of


class CaseScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A case's tests stay on one worker, which then remembers the conversion.

    A case that takes its worker with it is not tried again. xdist would hand the crashed test
    to the next worker, and to the next.
    """

    def remove_node(self, node: Any) -> str | None:
        """Forget a worker; what it has not done, but for the case it died of, is for others.

        Returns:
            The test in which it died, or None when it had nothing left to do.
        """
        units: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
        waiting = {scope: unit for scope, unit in units.items() if not all(unit.values())}
        if not waiting:
            return None
        fatal = next(iter(waiting))
        crashed = next(test for test, done in waiting.pop(fatal).items() if not done)
        self.workqueue.update(waiting)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _split_scope(self, nodeid: str) -> str:
        return case_of(nodeid)

    def _reschedule(self, node: Any) -> None:
        if node not in self.registered_collections:
            return  # it replaces another one, and gets its work when it has collected
        super()._reschedule(node)
        if not self.workqueue:
            # a worker keeps its last test back until it hears of more tests, or of the end
            node.shutdown()
