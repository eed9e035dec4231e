"""What a conversion produced and cost, and by which further steps the model came about."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.evidence.latency import Ratio


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a variant was made of its base, and what became of it beside the base."""

    #: Tool and settings, in words.
    how: str
    #: Time that the tool took, in seconds.
    seconds: float
    base_size_bytes: int
    base_nodes: int
    #: Op type to number of nodes by which the variant computes in its own way: quantized ones,
    #: fused ones, ones in fewer bits.
    own_nodes: dict[str, int] = field(default_factory=dict)
    #: Op type to number of nodes that still compute with float32 weights, or give float32; of
    #: lossy variants.
    kept_fp32: dict[str, int] = field(default_factory=dict)
    #: By provider, time of the base over that of the variant, timed in alternation.
    speedups: dict[str, Ratio] = field(default_factory=dict)
    #: Key of the base's bundle in the cache.
    base_bundle: str | None = None
    #: Class of the hardware that it was made on, where that makes a difference.
    hardware: str | None = None


@dataclass(frozen=True, slots=True)
class OpsetConversion:
    """How a model came to an opset that its exporter cannot give."""

    #: At which the exporter was asked for the model.
    exported_opset: int
    opset: int
    #: What converted it, with its version, such as ``onnx 1.23.2``.
    converter: str
    #: Time that the converter took, in seconds.
    seconds: float
    #: Key of the bundle of the exported model in the cache.
    base_bundle: str | None = None

    @property
    def text(self) -> str:
        """One sentence, without its full stop."""
        return (
            f"exported at opset {self.exported_opset}, converted to {self.opset} by the version "
            f"converter of {self.converter}"
        )


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What a conversion produced and what it cost."""

    #: Time the exporter itself took, in seconds; from the bundle when it was cached.
    export_seconds: float
    size_bytes: int
    nodes: int
    cached: bool
    #: Peak resident memory of the process that converted, in bytes.
    peak_rss_bytes: int | None
    #: Why there is no fp64 reference; ``None`` where there is one.
    fp64_unavailable: str | None
    #: Key of the bundle in the cache; ``None`` where it was made for one run only.
    bundle: str | None = None
    #: SHA-256 over the digests of the model's files.
    model_digest: str | None = None
    #: How it was made of the base; ``None`` of the base itself.
    derivation: Derivation | None = None
    #: The exporter that wrote the model; another one than the case's where that is ``auto``.
    exported_by: str | None = None
    #: What the exporters that were tried before it failed for.
    fallback: str | None = None
    #: How it came to its opset; ``None`` where the exporter gave it.
    opset_conversion: OpsetConversion | None = None
