"""What a zoo file may look like as YAML, and what is refused before anything is read."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError as StockYamlError

from conformance.entry import Expectation, Inputs, Source, TensorSpec, ZooEntry
from conformance.zoo import ZooError, read_zoo
from conformance.zoo.decoding import HOSTILE
from conformance.zoo.events import YamlError, events
from conformance.zoo.parsing import ALIAS_LIMIT, parse
from conformance.zoo.scalars import resolve

ENTRY = """\
models:
  - id: cnn
    framework: pytorch
    source: {factory: "a:b"}
    inputs: {factory: "a:c"}
"""

REFUSED = {
    "empty": (b"", "1:1: the file is empty; it needs at least 'models'"),
    "only a comment": (b"# later\n", "1:1: the file is empty; it needs at least 'models'"),
    "only a marker": (b"---\n", "1:1: the file is empty; it needs at least 'models'"),
    "two documents": (
        b"models: []\n---\nmodels: []\n",
        "2:1: a second document starts here; a zoo file holds one",
    ),
    "a list": (
        b"- id: cnn\n",
        "1:1: the top level must be a mapping with 'models' and other keys, not a list",
    ),
    "text": (
        b"hello\n",
        "1:1: the top level must be a mapping with 'models' and other keys, not the text 'hello'",
    ),
    "no models": (
        b"version: 1\n",
        "1:1: there are no models; list them under 'models', or 'include' files",
    ),
    "no model": (b"models: []\n", "1:9: models is an empty list; give it an entry"),
    "null models": (b"models:\n", "1:1: models must be a list, not empty"),
    "a directive": (
        b"%YAML 1.1\n---\nmodels: []\n",
        "1:1: not valid YAML: a '%' directive is not allowed; zoo files are plain YAML 1.2",
    ),
    "a tab": (b"models:\n\t- id: a\n", "2:1: not valid YAML: indent with spaces, not with a tab"),
    "bad indentation": (b"models: x: 1\n", "1:10: not valid YAML: mapping values are not allowed"),
    "unclosed": (b"models: [1,\n", "2:1: not valid YAML: "),
    "Latin-1": ("models: []\n# é".encode("latin-1"), "2:3: byte 0xe9 is not UTF-8"),
    "UTF-16": ("models: []".encode("utf-16"), "1:1: byte 0xff is not UTF-8"),
    "NUL": (b"models: []\n# \x00", "2:3: control character U+0000 is not allowed in a zoo"),
    "escape": (b"models: []\n# a\x1b[31m", "2:4: control character U+001B is not allowed"),
    "next line": ("# a\u0085b".encode(), "1:4: control character U+0085 is not allowed"),
    "right to left": (
        "models: []\n# a\u202eb".encode(),
        "2:4: invisible or bidirectional character U+202E is not allowed in a zoo",
    ),
    "line separator": (
        "models: []\n# a\u2028b".encode(),
        "2:4: invisible or bidirectional character",
    ),
    "escaped control": (b'models: ["\\x07"]\n', "1:10: control character U+0007 is not allowed"),
    "escaped bidi": (b'"\\u2066": 1\n', "1:1: invisible or bidirectional character U+2066"),
    "lone surrogate": (b'models: ["\\ud800"]\n', "found invalid Unicode character escape code"),
    "no character": (
        b'models: ["\\U00110000"]\n',
        "not valid YAML: found invalid Unicode character escape code",
    ),
    "odd anchor": (
        b"models: [&a:b 1]\n",
        "1:10: an anchor's name holds only letters, digits, '-' and '_', not '&a:'",
    ),
    "unfinished": (b"models:\n- a: 1\n  id", "3:5: not valid YAML: could not find expected ':'"),
    "self": (b"models: &a [*a]\n", "1:13: the alias '*a' stands inside its own anchor"),
    "no anchor": (b"models: [*a]\n", "1:10: the alias '*a' has no anchor '&a' before it"),
    "deep": (b"models: " + b"[" * 80, "1:72: nested more than 64 levels deep"),
    "bad merge": (b"<<: 1\nmodels: []\n", "1:1: '<<' takes one mapping or one list of mappings"),
    "list as key": (b"models: [{? [a] : 1}]\n", "1:13: a key must be text or a whole number"),
    "true as key": (b"models: [{true: 1}]\n", "1:11: a key must be text or a whole number"),
    "infinity": (b"models: [.inf]\n", "1:10: .inf is not allowed in a zoo; numbers are finite"),
    "overflow": (b"models: [1e999]\n", "1:10: the number 1e999 is too large"),
    "digits": (b"models: [%s]\n" % (b"1" * 5000), "1:10: a number of 5000 digits is too long"),
}


@pytest.mark.parametrize(("content", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_its_position(content, expected, problems_of):
    """Each kind of file that is no zoo gets one clear line with its exact position."""
    assert any(expected in problem for problem in problems_of(content))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!str", "!local", "!", "!<tag:x,2000:y>"]
)
def test_tags_are_refused(tag, problems_of):
    """Any explicit tag is refused where it stands, not dropped."""
    problems = problems_of(f"{ENTRY}    task: {tag} x\n")
    shown = tag.strip("!<>") if tag.startswith("!<") else tag
    assert problems == [f"zoo.yaml:6:11: the tag '{shown}' is not allowed; a zoo holds plain data"]


def test_duplicate_keys_are_refused_at_every_level(problems_of):
    """Each repeated key is reported at its second place, naming the first."""
    text = ENTRY.replace("    inputs", "    framework: sklearn\n    inputs") + "models: []\n"
    assert problems_of(text) == [
        "zoo.yaml:5:5: duplicate key 'framework'; it was given in line 3",
        "zoo.yaml:7:1: duplicate key 'models'; it was given in line 1",
    ]


def test_alias_bomb_is_refused_before_it_is_expanded(problems_of):
    """Aliases of aliases stop at the limit, at the alias that crosses it."""
    levels = [f"l0: &l0 [{', '.join('x' * 10)}]"]
    levels += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 10)]
    (problem,) = problems_of("\n".join(levels))
    assert problem.startswith("zoo.yaml:5:")
    assert f"stand for more than {ALIAS_LIMIT} values; refused" in problem


def test_aliases_cannot_nest_without_end(problems_of):
    """A chain of aliases, each one level deeper, stops at the depth limit."""
    chain = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 80)]
    (problem,) = problems_of("\n".join(chain))
    assert "nested more than 64 levels deep" in problem


def test_anchors_aliases_and_merge_keys_work():
    """Small anchors, aliases and merge keys give what YAML says they give."""
    root, flaws = parse(
        "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\n"
        "one: {<<: *base, b: 5}\ntwo: {<<: [*base, *more]}\nsame: *base\n"
    )
    assert flaws == []
    assert root.value["one"] == {"a": 1, "b": 5}
    assert root.value["two"] == {"a": 1, "b": 2, "c": 4}
    assert root.value["same"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-17", -17),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        ("2020-01-01", "2020-01-01"),
        ("1:30", "1:30"),
        ("-", "-"),
        ("e5", "e5"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    """Plain scalars have the type that YAML 1.2 gives them, not YAML 1.1."""
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        ENTRY,
        "a: 'it''s'\nb: \"x\\ty\\n\\u00e9\"\nc: |\n  one\n  two\nd: >-\n  one\n  two\n\n  three\n",
        "a:\n- 1\n-\n  - 2\n- {b: [], c: {}}\n- x:\n    y: z\n",
        "a: &x\n  b: 1\nc: *x\nd: [*x, {<<: *x, e: 2}]\n",
        "? a\n: b\n'c' : d\n\"e\":\n\n\n  f g\n  h\n# end\n...\n",
        "\r\na: 1\r\nb:\r\n  - c\r\n",
        "é: [日本, 'ü']\n",
    ],
)
def test_same_data_as_the_stock_loader(text):
    """The event stream put together here loads what ruamel.yaml's own safe loader loads."""
    root, flaws = parse(text)
    assert flaws == []
    assert root.value == YAML(typ="safe", pure=True).load(text)


#: Pieces that make much of what YAML allows, and about as much of what it does not.
PIECES = ["a", "b: ", "1e-3", "yes", "0o7", "~", "é", "\n", "\n  ", "\n    ", "- ", "? ", ": "]
PIECES += ["[", "]", "{", "}", ", ", "{a: 1}", "[b, 2]", '{"a":1}', "a:b", "a#b", "x y", " # c\n"]
PIECES += ["|\n  x\n", ">-\n  y\n   z\n", '"\\x41\\t\\u00e9"', "'it''s'", "&a ", "*a ", "<<: *a\n"]
PIECES += ["\r\n", "---\n", "...\n"]


def _written(parsed):
    """What was written, and where: names, values and positions of the events."""
    for event in parsed:
        value = getattr(event, "value", None)
        plain = value is not None and event.implicit[0]
        # an end, and a value that is not written, have no place of their own
        placed = hasattr(event, "anchor") and not (plain and not value)
        at = (event.start_mark.line, event.start_mark.column) if placed else None
        yield type(event).__name__, value, plain, getattr(event, "anchor", None), at


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_libyaml_reads_what_the_stock_parser_reads(text):
    """Where libyaml and ruamel.yaml, a YAML 1.2 parser, both accept a text, they agree on it."""
    try:
        expected = list(_written(YAML(typ="safe", pure=True).parse(text)))
        found = list(_written(events(text)))
    except (StockYamlError, YamlError):
        reject()
    assert found == expected


def test_a_binary_file_is_refused_at_once(problems_of):
    """A file that is no text at all gives one problem per line, not one per byte."""
    assert problems_of(b"\x00" * 100_000 + b"\n\x01") == [
        "zoo.yaml:1:1: control character U+0000 is not allowed in a zoo",
        "zoo.yaml:2:1: control character U+0001 is not allowed in a zoo",
    ]


def test_what_is_hostile_is_known_of_every_character():
    """Refused are controls, what is no character, and what reorders or ends a line; no more."""
    controls = {*range(0x20), *range(0x7F, 0xA0)} - {*map(ord, "\t\n\r")}
    no_text = {*range(0xD800, 0xE000), 0xFEFF, 0xFFFE, 0xFFFF}
    marks = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    separators = {0x2028, 0x2029}
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    found = {ord(character) for character in HOSTILE.findall(every)}
    assert found == controls | no_text | marks | separators


def test_a_byte_order_mark_is_no_error(write, frameworks):
    """Files saved by editors that write a byte order mark are read, positions unchanged."""
    zoo = read_zoo([write(b"\xef\xbb\xbf" + ENTRY.encode())], frameworks)
    assert zoo.entries[0].line == 2


FRAGMENTS = [*"-:?,[]{}#&*!|>'\"%@` \n\t\\", "\n  ", "- ", ": ", "\n- ", "&a ", "*a ", "<<: "]
FRAGMENTS += ["---\n", "...\n", "\\U00ffffff", "a", "1", "models:", "id: ", "\u2028", "é", "!!x "]
HOSTILE_TEXT = st.one_of(
    st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.one_of(st.binary(max_size=200), HOSTILE_TEXT))
def test_nothing_but_zoo_errors_for_any_bytes(content, write, frameworks):
    """Whatever a file holds, reading it gives positions and one-line messages."""
    with pytest.raises(ZooError) as caught:
        read_zoo([write(content)], frameworks)
    for problem in caught.value.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert "\n" not in str(problem)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["pytorch", "a:b", "cpu", "fp32", "dynamo", "normal", "export", "n", "zoo.yaml"]
    ),
)
ZOO_KEYS = st.sampled_from(
    ["version", "include", "defaults", "models", "rtol", "x", "0"]
) | st.sampled_from(
    [
        key
        for model in (ZooEntry, Inputs, Source, TensorSpec, Expectation)
        for key in model.model_fields
    ]
)
ZOO_DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ZOO_KEYS, inner),
    max_leaves=25,
)
ENTRIES = st.lists(
    st.dictionaries(st.sampled_from(list(ZooEntry.model_fields)), ZOO_DATA), max_size=3
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(zoo={"models": [], "include": ["\n"]})
@example(zoo={"models": [{"id": None, "calibration": None, "variants": [[]]}]})
@given(
    zoo=st.fixed_dictionaries(
        {"models": ENTRIES | ZOO_DATA}, optional={"defaults": ZOO_DATA, "include": ZOO_DATA}
    )
)
def test_nothing_but_zoo_errors_for_any_data(zoo, write, frameworks):
    """Whatever stands under a zoo's own keys, reading it gives a zoo or one-line messages."""
    try:
        read_zoo([write(json.dumps(zoo))], frameworks)
    except ZooError as error:
        lines = str(error).split("\n")
        assert len(lines) == len(error.problems)  # noqa: PT017  a zoo without problems is fine too
