"""Take secrets out of what others will read: logs, records and reports."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

#: Names of environment variables whose values nobody should read.
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
#: Keys whose values nobody should read; not those of a tokenizer, such as ``pad_token``.
_SECRET_KEY = re.compile(
    r"(?:^|_)(?:passw(?:or)?d|secret|api_?key|access_?key|credentials?)$"
    r"|^(?:(?:hf|auth|access|api|bearer|hub|use_auth)_)?token$",
    re.IGNORECASE,
)
#: Shorter values are words such as "true", not secrets.
_SECRET_CHARS = 8
#: Tokens by their looks, for those that no variable holds.
_TOKEN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|gh[a-z]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|sk-(?:proj-)?\w{20,}"
    r"|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+)"
)
_NAMED = re.compile(r"\b(bearer\s+|(?:token|password|secret)\s*[=:]\s*)\S{16,}", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")


def hide_secrets(text: str) -> str:
    """The text without secrets.

    Those are the values of environment variables that are named like secrets, which become
    ``<$NAME>``; what looks like a token; and the login of a URL. Call it on the whole text,
    before it is shortened: half a token is found by nobody, and still half a secret.
    """
    return _hidden(text, _held())


def hide_secrets_in(value: Any) -> Any:
    """Plain JSON with every text in it as :func:`hide_secrets` gives it back.

    A text under a key such as ``api_key`` or ``hf_token`` is a secret by its key, whatever it
    looks like, and becomes ``<api_key>``. Keys stay as they are.
    """
    return _hidden_in(value, _held())


def _held() -> list[tuple[str, str]]:
    """The secrets of the environment and what stands for each, the longest first."""
    held = {
        value: f"<${name}>"
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SECRET_CHARS
    }
    # one may be the beginning of another
    return sorted(held.items(), key=lambda pair: -len(pair[0]))


def _hidden(text: str, held: Sequence[tuple[str, str]]) -> str:
    for value, label in held:
        text = text.replace(value, label)
    return _NAMED.sub(r"\1<token>", _TOKEN.sub("<token>", _URL_LOGIN.sub("", text)))


def _hidden_in(value: Any, held: Sequence[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        return _hidden(value, held)
    if isinstance(value, dict):
        return {
            key: f"<{key}>"
            if isinstance(item, str) and _SECRET_KEY.search(str(key))
            else _hidden_in(item, held)
            for key, item in value.items()
        }
    return [_hidden_in(item, held) for item in value] if isinstance(value, list | tuple) else value
