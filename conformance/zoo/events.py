"""YAML text to parsing events, by ruamel.yaml's scanner and parser.

The grammar is entirely ruamel's. What is replaced is how its parts are put together:
the loader asks for each token about nine times and goes through properties and a mark
object every time, which is half of its run time. Here all tokens are scanned first, marks
are plain tuples (:class:`Mark`), and the version is always YAML 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import Event
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner, ScannerError

from conformance.zoo.problems import Position

#: How deep collections may be nested, aliases expanded.
DEPTH_LIMIT = 64

_YAML_1_2 = (1, 2)


class Mark(NamedTuple):
    """A place in the text, counted from 0."""

    line: int
    column: int
    #: In characters from the start of the text.
    offset: int


class YamlError(Exception):
    """The text is not YAML from :attr:`position` on."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position


def events(text: str) -> Iterator[Event]:
    """Parse ``text``, whose characters :func:`conformance.zoo.decoding.decode` accepted.

    Yields:
        ruamel's events, whose marks are of the type :class:`Mark`.

    Raises:
        YamlError: when the text is not YAML; events before that place were yielded.
    """
    reader = _PlainReader(text)
    try:
        parser = _PlainParser(_EagerScanner(reader))
        while parser.check_event():
            yield parser.get_event()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or Mark(0, 0, 0)
        raise YamlError((mark.line + 1, mark.column + 1), _sentence(error)) from error


def _sentence(error: MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem).split())
    if r"'\t'" in problem:
        return "not valid YAML: indent with spaces, not with a tab"
    context = f" ({' '.join(error.context.split())})" if error.context else ""
    return f"not valid YAML: {problem}{context}"


class _PlainReader(Reader):
    def get_mark(self) -> Mark:
        return Mark(self.line, self.column, self.index)

    def forward(self, length: int = 1) -> None:
        end = self.pointer + length
        passed = self.buffer[self.pointer : end]
        if "\n" in passed or "\r" in passed:
            super().forward(length)
            return
        self.pointer = end
        self.index += length
        self.column += length


class _EagerScanner(Scanner):
    # plain attributes in place of ruamel's properties, which look the loader up each time
    reader: Any = None
    scanner_processing_version: Any = _YAML_1_2

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        super().__init__(None)
        self._failure: YAMLError | None = None
        try:
            while not self.done:
                self.fetch_more_tokens()
                if len(self.flow_context) > DEPTH_LIMIT + 1:
                    # refused when these tokens are parsed; scanning on takes quadratic time
                    problem = "nested too deep"
                    raise ScannerError(None, None, problem, reader.get_mark())
        except YAMLError as error:
            # the parser may find a mistake in the tokens before this place: that one comes first
            self._failure = error
        except (ValueError, OverflowError):  # chr() of an escape such as "\U00110000"
            problem = "an escape names a character that does not exist"
            self._failure = ScannerError(None, None, problem, reader.get_mark())
        self._ahead = iter(self.tokens)
        self._current: Any = next(self._ahead)  # the start of the stream is always there

    def fetch_directive(self) -> None:
        problem = "a '%' directive is not allowed; zoo files are plain YAML 1.2"
        raise ScannerError(None, None, problem, self.reader.get_mark())

    def check_token(self, *choices: Any) -> bool:
        return isinstance(self._current, choices) if choices else self._current is not None

    def peek_token(self) -> Any:
        return self._current

    def get_token(self) -> Any:
        token = self._current
        self._current = next(self._ahead, None)
        if self._current is None and self._failure is not None:
            raise self._failure
        return token


class _Settings:
    """What the parser asks its loader and its resolver for."""

    comment_handling = None
    processing_version = _YAML_1_2


class _PlainParser(Parser):
    scanner: Any = None
    resolver: Any = _Settings

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        super().__init__(_Settings())
