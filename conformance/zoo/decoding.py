"""Bytes of a zoo file to text that is safe to parse and to print."""

from __future__ import annotations

import re

from conformance.zoo.problems import Position

# Tab, line feed and carriage return aside: C0 and C1 controls, surrogates, non-characters,
# a byte order mark that is not at the start, and the bidirectional controls that make a
# line read differently from what it says (U+061C, 200E, 200F, 202A to 202E, 2066 to 2069).
# Line and paragraph separators (U+2028, 2029) are among them: they end a line for some
# readers, and not for others. As one class, because a choice of two takes four times as long.
HOSTILE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u061b\u061d-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff"
    "\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


class TextError(Exception):
    """The bytes are not text that a zoo may hold."""

    def __init__(self, flaws: list[tuple[Position, str]]) -> None:
        super().__init__(flaws[0][1])
        self.flaws = flaws


def decode(content: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark, and refuse hostile characters.

    Raises:
        TextError: with the first hostile character of each line, or the first byte that is
            not UTF-8.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").split("\n")
        message = f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise TextError([((len(before), len(before[-1]) + 1), message)]) from error
    if not HOSTILE.search(text):
        return text
    raise TextError(
        [
            ((number, found.start() + 1), forbidden(found[0]))
            for number, line in enumerate(text.split("\n"), start=1)
            if (found := HOSTILE.search(line))
        ]
    )


def forbidden(character: str) -> str:
    """The message that refuses one hostile character."""
    kind = "control" if ord(character) < 0xA0 else "invisible or bidirectional"  # noqa: PLR2004
    return f"{kind} character U+{ord(character):04X} is not allowed in a zoo"
