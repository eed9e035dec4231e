"""Where a model comes from: the kinds of source, and what goes with each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from conformance.entry.strict import Strict, check_reference
from conformance.paths import (
    check_github_id,
    check_hub_id,
    check_kaggle_handle,
    check_path,
    check_revision,
    check_url,
)

#: The kinds of source, each by its key.
SourceKind = Literal[
    "factory", "path", "hub", "architecture", "torch_hub", "modelscope", "kaggle", "url"
]
#: What goes with a source to the kinds that it goes with.
GOES_WITH: Mapping[str, tuple[SourceKind, ...]] = {
    "args": ("factory", "torch_hub"),
    "entrypoint": ("torch_hub",),
    "revision": ("hub", "torch_hub", "modelscope"),
    "sha256": ("url", "kaggle"),
    "config": ("architecture",),
    "seed": ("architecture",),
    "allow_pickle": ("path",),
    "trust_remote_code": ("path", "hub", "torch_hub", "modelscope"),
}
_COMMIT = re.compile(r"[0-9a-f]{40}")


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
        for name, kinds_of_name in GOES_WITH.items():
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
