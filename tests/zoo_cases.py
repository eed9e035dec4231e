"""Cases of miniature zoo entries, and the tests that name them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from conformance.entry import ZooEntry
from conformance.model import Case, TestKind, TestRef
from conformance.zoo import LocatedCase

HERE = Path(__file__).parent


def located(adapter, variant="fp32", **more):
    """The case of one miniature, as a zoo in this folder would hold it.

    Args:
        adapter: a class of :mod:`miniatures`, or ``module:Class``.
        variant: of the case, and of the entry beside its base.
        more: further keys of the entry.
    """
    module, _, name = adapter.rpartition(":")
    module = module or "miniatures"
    kind = getattr(import_module(module), name, import_module("miniatures").Honest)
    entry = ZooEntry.model_validate(
        {
            "id": name.lower(),
            "framework": f"{module}:{name}",
            "source": {"factory": "miniatures:unused"},
            "exporters": ["mini"],
            "opsets": [18],
            **{
                key: getattr(kind, key)
                for key in ("inputs", "dynamic", "task", "constant_outputs")
                if hasattr(kind, key)
            },
            "variants": list(dict.fromkeys(("fp32", variant))),
            **more,
        }
    )
    return LocatedCase(Case(entry, "mini", 18, variant), HERE / "zoo.yaml", 1, HERE)


def ref(case, test, provider="cpu"):
    """The named test of a case."""
    provider = None if test is TestKind.EXPORT else provider
    key = case.case.key
    identity = key if provider is None else f"{key}-{provider}"
    entry = case.case.entry
    return TestRef(
        test, identity, key, entry.id, "mini", None, (), "mini", 18, case.case.variant, provider,
        "repeat",
    )  # fmt: skip
