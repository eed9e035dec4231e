"""A model of another place on one line, such as ``hf:org/name@v1``: how it is written and read.

The kinds are those of a zoo's ``source``. The line begins with the kind, ``@`` comes before a
revision and ``#`` before a part or a digest, as :data:`FORMS` shows; an address is its own kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import JsonValue

from conformance.entry import Source, SourceKind
from conformance.paths import (
    check_github_id,
    check_hub_id,
    check_kaggle_handle,
    check_revision,
    check_url,
)
from conformance.redaction import hide_secrets

#: Kinds of source that are elsewhere to the form in which each is written.
FORMS: Mapping[SourceKind, str] = {
    "hub": "hf:org/name[@revision]",
    "modelscope": "modelscope:org/name[@revision]",
    "kaggle": "kaggle:owner/model/framework/variation/version",
    "torch_hub": "torch_hub:owner/name@commit[#entrypoint]",
    "url": "https://host/model.tar.gz[#sha256=digest]",
}
#: What people call these places.
PLACES: Mapping[SourceKind, str] = {
    "hub": "the Hugging Face hub",
    "modelscope": "ModelScope",
    "kaggle": "Kaggle",
    "torch_hub": "a GitHub repository with hubconf.py",
    "url": "an archive of a SavedModel",
}
_KINDS: Mapping[str, SourceKind] = {
    "hf": "hub",
    "modelscope": "modelscope",
    "kaggle": "kaggle",
    "torch_hub": "torch_hub",
}
_PREFIXES = {kind: prefix for prefix, kind in _KINDS.items()}
_CHECKS: Mapping[SourceKind, Callable[[str], str]] = {
    "hub": check_hub_id,
    "modelscope": check_hub_id,
    "kaggle": check_kaggle_handle,
    "torch_hub": check_github_id,
    "url": check_url,
}
_ADDRESSES = ("http://", "https://")
_DIGEST = re.compile(r"sha256=([0-9a-f]{64})")
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
#: Sites whose pages people copy from the address line, though what they mean has a form.
_SITES: Mapping[str, SourceKind] = {
    "huggingface.co": "hub",
    "hf.co": "hub",
    "modelscope.cn": "modelscope",
    "kaggle.com": "kaggle",
    "github.com": "torch_hub",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A model of another place; as text, the one way to write it."""

    kind: SourceKind
    #: An id, a handle or an address.
    name: str
    #: Branch, tag or commit, of the kinds that have them.
    revision: str | None = None
    #: The function of ``hubconf.py``, of ``torch_hub``.
    entrypoint: str | None = None
    #: Of the archive, of ``kaggle`` and ``url``.
    sha256: str | None = None

    def __str__(self) -> str:
        prefix = _PREFIXES.get(self.kind)
        text = self.name if prefix is None else f"{prefix}:{self.name}"
        if self.revision is not None:
            text += f"@{self.revision}"
        if self.entrypoint is not None:
            text += f"#{self.entrypoint}"
        return text if self.sha256 is None else f"{text}#sha256={self.sha256}"

    @property
    def fields(self) -> dict[str, JsonValue]:
        """The keys of a zoo's ``source`` that say the same."""
        given = {
            self.kind: self.name,
            "revision": self.revision,
            "entrypoint": self.entrypoint,
            "sha256": self.sha256,
        }
        return {str(key): value for key, value in given.items() if value is not None}

    @property
    def label(self) -> str:
        """A short name of the model."""
        parts = self.name.split("/")
        match self.kind:
            case "kaggle":
                return f"{parts[1]}-{parts[3]}"
            case "torch_hub":
                return self.entrypoint or parts[1]
            case "url":
                return urlsplit(self.name).path.rstrip("/").rpartition("/")[2].partition(".")[0]
        return parts[-1]


def parse_remote(text: str) -> Remote | None:
    """Read a line that begins with a kind or is an address; None for all others.

    Raises:
        ValueError: when what follows is not of the kind's form; the message shows that.
    """
    if text.startswith(_ADDRESSES):
        return _read("url", text)
    prefix, colon, rest = text.partition(":")
    kind = _KINDS.get(prefix) if colon else None
    if kind is None:
        return None
    # hf://org/name is how Hugging Face's own tools write it
    return _read(kind, rest.removeprefix("//") if kind == "hub" else rest)


def parse_hub_id(text: str) -> Remote:
    """Read ``org/name[@revision]``, for which nobody has to write the kind.

    Raises:
        ValueError: when it is no such id.
    """
    return _read("hub", text)


def remote_of(source: Source) -> Remote | None:
    """What a source says of its place; None where it is no other place."""
    if source.kind not in FORMS or source.local_path is not None:
        return None
    return Remote(
        source.kind,
        str(getattr(source, source.kind)),
        source.revision,
        source.entrypoint,
        source.sha256,
    )


def _read(kind: SourceKind, text: str) -> Remote:
    try:
        return _parts(kind, text)
    except _Elsewhere:
        raise
    except ValueError as error:
        shown = text if kind == "url" else f"{_PREFIXES[kind]}:{text}"
        reason = f"'{shown}' is no model of {PLACES[kind]}: {error}; write {FORMS[kind]}"
        raise ValueError(hide_secrets(reason)) from error


def _parts(kind: SourceKind, text: str) -> Remote:
    name, hash_sign, part = text.partition("#")
    revision = entrypoint = sha256 = None
    if kind in ("hub", "modelscope", "torch_hub"):
        name, at, ref = name.partition("@")
        revision = check_revision(ref) if at else None
    _CHECKS[kind](name)
    if kind == "url":
        _check_archive(name)
    if hash_sign:
        if kind in ("kaggle", "url"):
            sha256 = _digest(part)
        elif kind == "torch_hub":
            entrypoint = _entrypoint(part)
        else:
            raise ValueError(f"'#{part}' means nothing there")
    return Remote(kind, name, revision, entrypoint, sha256)


def _digest(part: str) -> str:
    match = _DIGEST.fullmatch(part)
    if match is None:
        raise ValueError(f"'#{part}' is not #sha256= with the archive's digest")
    return match[1]


def _entrypoint(part: str) -> str:
    if not part.isidentifier():
        raise ValueError(f"'{part}' is not the name of a function")
    return part


class _Elsewhere(ValueError):
    """An address that is no archive; the message says what to write instead."""


def _check_archive(url: str) -> None:
    """Tell pages and ONNX files from archives, as far as an address shows it."""
    found = urlsplit(url)
    if found.path.endswith(".onnx"):
        raise _Elsewhere(f"'{url}' is ONNX already: `conformance replay` runs its test data")
    site = _SITES.get((found.hostname or "").removeprefix("www."))
    if site is not None and not found.path.endswith(_ARCHIVES):
        raise _Elsewhere(f"'{url}' is a page: write a model of {PLACES[site]} as {FORMS[site]}")
