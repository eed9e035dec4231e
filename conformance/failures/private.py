"""Take out of texts what tells about the machine and its owner rather than about the failure.

A failure folder is made to be sent to strangers: it holds no absolute path, no login or host
name, and no token.
"""

from __future__ import annotations

import getpass
import platform
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from conformance.redaction import hide_secrets

_WINDOWS = re.compile(r"\b[A-Za-z]:\\(?:[^\\\s:;,'\"<>|]+\\)*([^\\\s:;,'\"<>|]*)")
#: A path's parts below its root; a closing quote, colon or space ends it.
_BELOW = r"(?:/[^/\s:;,'\"()<>\[\]{}|`]+)+"
#: How many of a strange path's last parts say what is meant.
_TAIL_PARTS = 2
#: Host and user names that say nothing.
_ANYBODY = frozenset({"localhost", "root", ""})


class Scrubber:
    """Knows this machine's folders and names, and its secrets, and takes them out of texts."""

    def __init__(self) -> None:
        places = {
            str(Path.home()): "~",
            tempfile.gettempdir(): "<tmp>",
            sys.base_prefix: "<python>",
            sys.prefix: "<python>",
            str(Path.cwd()): ".",
        }
        deepest_first = sorted(places.items(), key=lambda pair: -len(pair[0]))
        self._patterns = [
            (re.compile(rf"{_begin(place)}{re.escape(place)}(?=[/\s:;,'\")`]|$)"), label)
            for place, label in deepest_first
            if len(place) > 1
        ]
        # only below a folder that machines have: the names of nodes look like paths, too
        here = (path.name for path in Path("/").iterdir())
        roots = "|".join(re.escape(name) for name in sorted({"home", "Users", *here}))
        self._strange_path = re.compile(rf"(?<![\w.~>…/-])/(?:{roots}){_BELOW}")
        host, user = platform.node(), _user()
        self._names = [
            # a user's name on its own may be a model's: only logins are told apart
            (re.compile(rf"(?<![\w.-]){re.escape(name)}"), label)
            for name, label in ((f"{user}@", "<user>@"), (host, "<host>"))
            if name.rstrip("@") not in _ANYBODY
        ]

    def text(self, text: str) -> str:
        """The text without absolute paths, logins, host name and tokens."""
        text = hide_secrets(text)
        for place, label in self._patterns:
            text = place.sub(label, text)
        text = _WINDOWS.sub(r"…\\\1", text)
        text = self._strange_path.sub(_tail, text)
        for name, label in self._names:
            text = name.sub(label, text)
        return text

    def json(self, value: Any) -> Any:
        """Plain JSON with every string in it scrubbed; keys are left as they are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.json(item) for key, item in value.items()}
        return [self.json(item) for item in value] if isinstance(value, list) else value

    def model(self, path: Path) -> bool:
        """Scrub what an ONNX file says for people: documentation and metadata, never names.

        Returns:
            Whether the file was changed.
        """
        import onnx
        from google.protobuf.message import DecodeError

        try:
            model = onnx.load(str(path), load_external_data=False)
        except DecodeError:
            return False  # that it is no model is the failure: it is sent as it is
        changed = self._message(model)
        if changed:
            path.write_bytes(model.SerializeToString())
        return changed

    def _message(self, message: Any) -> bool:
        """Scrub a protobuf message and those below it; whether anything was changed."""
        changed = False
        for field, value in message.ListFields():
            if field.name == "doc_string":
                changed |= self._attribute(message, "doc_string")
            elif field.name == "metadata_props":
                for entry in value:
                    changed |= self._attribute(entry, "value")
            elif field.message_type is not None:
                for item in value if hasattr(value, "append") else [value]:
                    changed |= self._message(item)
        return changed

    def _attribute(self, message: Any, name: str) -> bool:
        before: str = getattr(message, name)
        after = self.text(before)
        setattr(message, name, after)
        return before != after


def _begin(place: str) -> str:
    """Where a folder's name may begin; a short one, such as /tmp, occurs within URLs as well."""
    return r"(?<![\w.-])" if place.count("/") == 1 else ""


def _tail(path: re.Match[str]) -> str:
    return "/".join(("…", *path.group().split("/")[-_TAIL_PARTS:]))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return ""
