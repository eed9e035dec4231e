"""Wrong models on purpose: how many of them the check of a case notices."""

from conformance.mutation.sensitivity import insensitive

__all__ = ["insensitive"]
