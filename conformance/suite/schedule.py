"""How cases are spread over xdist's workers. Imported only when xdist is there."""

from __future__ import annotations

from xdist.scheduler.loadscope import LoadScopeScheduling

from conformance.suite.items import case_of


class CaseScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A case's tests stay on one worker, which then remembers the conversion."""

    def _split_scope(self, nodeid: str) -> str:
        return case_of(nodeid)
