"""Take secrets out of what others will read: logs, records and reports."""

from __future__ import annotations

import os
import re

#: Names of environment variables whose values nobody should read.
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
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
    held = {
        value: f"<${name}>"
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SECRET_CHARS
    }
    for value in sorted(held, key=len, reverse=True):  # one may be the beginning of another
        text = text.replace(value, held[value])
    return _NAMED.sub(r"\1<token>", _TOKEN.sub("<token>", _URL_LOGIN.sub("", text)))
