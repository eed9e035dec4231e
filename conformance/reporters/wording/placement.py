"""What a figure on a provider conceals: the nodes that another one ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Fallback:
    """A provider that was asked to run a graph and ran only a part of it."""

    #: ONNX Runtime's name of the provider.
    provider: str
    ran: int
    nodes: int

    @property
    def absent(self) -> bool:
        """Whether the figures are another provider's altogether."""
        return not self.ran

    @property
    def share(self) -> str:
        """``61% of nodes``; 0% and 100% only where they are exact."""
        percent = 0 if self.absent else min(max(round(100 * self.ran / self.nodes), 1), 99)
        return f"{percent}% of nodes"

    def __str__(self) -> str:
        """``61% of nodes, 14 fell back``."""
        if self.absent:
            return f"none of {self.nodes} nodes ran on {self.provider}"
        return f"{self.share}, {self.nodes - self.ran} fell back"


def fallback(placement: Mapping[str, int] | None, provider: str | None) -> Fallback | None:
    """What a figure on a provider conceals; None where the provider ran every node.

    Args:
        placement: number of nodes by ONNX Runtime's provider name; None where not recorded.
        provider: the provider that was asked for, by the zoo's name or ONNX Runtime's.
    """
    nodes = sum(placement.values()) if placement else 0
    if not placement or provider is None or not nodes:
        return None
    name = PROVIDERS.get(provider, provider)
    found = Fallback(name, placement.get(name, 0), nodes)
    return found if found.ran < nodes else None
