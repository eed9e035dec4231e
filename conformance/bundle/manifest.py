"""What a bundle says of itself: plain data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from conformance.evidence import Derivation, Noise, OpsetConversion, Ratio
from conformance.model import SCHEMA_VERSION, Case
from conformance.texts import Texts

MODEL = "model.onnx"
MANIFEST = "bundle.json"
COMPONENTS = "components"


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file of the bundle, as it was when the bundle was made."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ProbeInfo:
    """A further input set that varies one thing, to see whether the conversion follows."""

    #: Folder name, such as ``batch-1`` or ``unpadded-0``.
    name: str
    #: "size" (an axis at another size) or "unpadded" (one row without its padding).
    kind: str
    #: The dynamic axis that is varied.
    axis: str
    size: int
    #: Why the source cannot do it; ``None`` where it can, and there are answers.
    source_rejects: str | None = None
    #: Of an unpadded probe: the input that masks the padding, and the row of data set 0.
    mask: str | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """Tokens that the source chose greedily, one after another.

    The prompt is the first row of data set 0 whose mask hides nothing.
    """

    #: Output whose last position, along axis 1, the tokens are read from.
    output: str
    tokens: tuple[int, ...]
    #: Difference of the two best scores at each step, in the unit of the output.
    margins: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What was converted, how, with what, and what it cost."""

    case: Case
    seed: int
    versions: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    data_sets: int
    fp64_unavailable: str | None
    source_median_ns: int | None
    export_seconds: float
    size_bytes: int
    nodes: int
    peak_rss_bytes: int | None
    files: dict[str, FileDigest]
    #: Output name to its rounding noise over further input sets, for small outputs.
    noise: dict[str, Noise] = field(default_factory=dict)
    #: By provider, time of the source over that of the ONNX model, timed in alternation.
    speedups: dict[str, Ratio] = field(default_factory=dict)
    probes: tuple[ProbeInfo, ...] = ()
    generation: Generation | None = None
    #: The class of the source's model, such as ``BertModel``, where its adapter tells.
    architecture: str | None = None
    #: How it was made of the bundle of its base; ``None`` of the base itself.
    derivation: Derivation | None = None
    #: Names of the bundles in ``components``, in the order in which they run before this one.
    components: tuple[str, ...] = ()
    #: What the source generated with its components, where it was converted in parts.
    texts: Texts | None = None
    #: The exporter that wrote the model; another one than the case's where that is ``auto``.
    exported_by: str | None = None
    #: What the exporters that were tried before it failed for.
    fallback: str | None = None
    #: How it came to its opset; ``None`` where the exporter gave it.
    opset_conversion: OpsetConversion | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def model_digest(self) -> str:
        """SHA-256 over the digests of the model's files: the same for the same model."""
        own = {n: f.sha256 for n, f in sorted(self.files.items()) if is_model_file(n)}
        return hashlib.sha256(json.dumps(own).encode()).hexdigest()


def is_model_file(name: str) -> bool:
    """Whether a file of a bundle, by its path in it, is a model's or a component's."""
    *folders, file = name.split("/")
    return file.startswith(MODEL) and (not folders or folders[0] == COMPONENTS)
