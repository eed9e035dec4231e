"""Changes to ``expect`` as text: what was meant is changed, and not one byte of the rest."""

from __future__ import annotations

import difflib
import random
import stat

import pytest
from ruamel.yaml import YAML

from conformance.entry import Expectation
from conformance.zoo import ZooError, read_zoo
from conformance.zoo.edit import Change
from conformance.zoo.rewrite import FileChanged, rewrite

ENTRY = """\
# a zoo
models:
  - id: cnn   # the first
    framework: pytorch
    opsets: [17, 18]
    source: {factory: "a:b"}
    inputs: {factory: "a:c"}
"""
OTHER = """
  # another one
  - id: mlp
    framework: pytorch
    source: {factory: 'a:d'}
    inputs: {factory: "a:c"}
"""
NEW = Expectation(stage="parity", match=r"error \d+", reason='it\'s "new"', opset=18)
NEW_BLOCK = """\
      - stage: parity
        opset: 18
        match: 'error \\d+'
        reason: 'it''s "new"'
"""
ONE = """\
    expect:
      stage: export   # known
      reason: >-
        one
        day
"""
MANY = """\
    expect:
      # the first
      - stage: export
        reason: one
        opset: 17

      # the second
      -
        reason: "two"
        stage: export   # why not
"""


@pytest.fixture
def change(write, frameworks):
    """Change the entry ``cnn`` of a text; returns the new text, or why it was refused."""

    def change(text, wanted, model="cnn"):
        path = write(text)
        done = rewrite([path], frameworks, {model: wanted})
        assert len(done.files) + len(done.refused) == 1
        return done.refused[model] if done.refused else done.files[0].after.decode()

    return change


def test_a_first_expectation_is_added_behind_the_entry(change):
    """A block entry without ``expect`` gets the key at its end, at its own indentation."""
    text = change(ENTRY + OTHER, Change(add=(NEW,)))
    single = NEW_BLOCK.replace("      - ", "      ").replace("        ", "      ")
    assert text == f"{ENTRY}    expect:\n{single}{OTHER}"


def test_several_first_expectations_are_a_list(change):
    """Two at once are a list from the start."""
    other = Expectation(stage="export", reason="x", opset=17)
    text = change(ENTRY, Change(add=(NEW, other)))
    item = "      - stage: export\n        opset: 17\n        reason: x\n"
    assert text == f"{ENTRY}    expect:\n{NEW_BLOCK}{item}"


def test_an_item_is_added_to_a_list(change):
    """Behind the last item, at the dashes of the others."""
    text = change(ENTRY + MANY.partition("\n      # the second")[0] + OTHER, Change(add=(NEW,)))
    assert text == ENTRY + MANY.partition("\n      # the second")[0] + NEW_BLOCK + OTHER


def test_one_mapping_becomes_a_list(change):
    """The expectation that was there keeps its text, two columns to the right."""
    one = ONE.replace("known\n", "known\n      opset: 17\n")
    text = change(ENTRY + one + OTHER, Change(add=(NEW,)))
    assert text == (
        f"{ENTRY}    expect:\n      - stage: export   # known\n        opset: 17\n"
        f"        reason: >-\n          one\n          day\n{NEW_BLOCK}{OTHER}"
    )


def test_the_whole_key_goes_with_the_last_expectation(change):
    """One mapping, or all items of a list."""
    assert change(ENTRY + ONE + OTHER, Change(frozenset({0}))) == ENTRY + OTHER
    assert change(ENTRY + MANY + OTHER, Change(frozenset({0, 1}))) == ENTRY + OTHER


def test_only_the_item_goes(change):
    """The other item, the comments above both and the blank line stay."""
    text = change(ENTRY + MANY + OTHER, Change(frozenset({0})))
    assert (
        text
        == ENTRY
        + MANY.replace("      - stage: export\n        reason: one\n        opset: 17\n", "")
        + OTHER
    )
    text = change(ENTRY + MANY + OTHER, Change(frozenset({1})))
    assert text == ENTRY + MANY.partition("      -\n")[0] + OTHER


@pytest.mark.parametrize("ending", ["", "\n"])
def test_one_takes_the_place_of_another(ending, change):
    """Removed and added at once, also in a file whose last line has no end."""
    text = change(ENTRY + (ONE + "\n").rstrip("\n") + ending, Change(frozenset({0}), add=(NEW,)))
    single = NEW_BLOCK.replace("      - ", "      ").replace("        ", "      ")
    assert text == f"{ENTRY}    expect:\n{single}".removesuffix("\n") + ending
    many = (ENTRY + MANY).rstrip("\n") + ending
    assert change(many, Change(frozenset({0, 1}), add=(NEW,))).endswith(
        NEW_BLOCK.removesuffix("\n") + ending
    )


def test_narrowing_adds_a_line_behind_the_stage(change):
    """The selector stands below the stage; nothing else moves."""
    text = change(ENTRY + ONE + OTHER, Change(narrow={0: {"opset": 17}}))
    assert text == ENTRY + ONE.replace("known\n", "known\n      opset: 17\n") + OTHER
    text = change(ENTRY + ONE + OTHER, Change(narrow={0: {"opset": 17}}, add=(NEW,)))
    assert "      - stage: export   # known\n        opset: 17\n        reason: >-\n" in text


FLOW = (
    '  - {id: cnn, framework: pytorch, source: {factory: "a:b"}, inputs: {factory: "a:c"}%s}  # x\n'
)
TWO = ", opsets: [17, 18]"
LOAD = "{stage: load, reason: x, opset: 17}"
EXPORT = "{stage: export, reason: x}"
FLOW_NEW = "{stage: parity, opset: 18, match: 'error \\d+', reason: 'it''s \"new\"'}"


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("", Change(add=(NEW,)), f", expect: {FLOW_NEW}"),
        (", expect: {stage: export, reason: x}", Change(frozenset({0})), ""),
        (", expect: [{stage: export, reason: x}], task: t", Change(frozenset({0})), ", task: t"),
        (
            ", opsets: [17, 18], expect: {stage: export, reason: x}",
            Change(add=(NEW,)),
            f", opsets: [17, 18], expect: [{{stage: export, reason: x}}, {FLOW_NEW}]",
        ),
        (
            ", opsets: [17, 18], expect: {stage: export, reason: x}",
            Change(narrow={0: {"opset": 17}}),
            ", opsets: [17, 18], expect: {stage: export, opset: 17, reason: x}",
        ),
        (
            f"{TWO}, expect: [{LOAD}, {EXPORT}]",
            Change(frozenset({1}), add=(NEW,)),
            f"{TWO}, expect: [{LOAD}, {FLOW_NEW}]",
        ),
        (
            f"{TWO}, expect: [{LOAD}, {EXPORT},]",
            Change(frozenset({0})),
            ", opsets: [17, 18], expect: [{stage: export, reason: x},]",
        ),
        (
            ", expect: [{stage: export, reason: x}]",
            Change(frozenset({0}), add=(NEW,)),
            f", expect: [{FLOW_NEW}]",
        ),
        (
            ", expect: {stage: export, reason: x}",
            Change(frozenset({0}), add=(NEW,)),
            f", expect: {FLOW_NEW}",
        ),
    ],
)
def test_flow_style_stays_flow_style(before, wanted, after, change):
    """Entries in braces are changed within their line, with their commas right."""
    assert change(f"models:\n{FLOW % before}", wanted) == f"models:\n{FLOW % after}"


def test_expect_behind_the_dash_of_its_entry(change):
    """The key that follows takes the place of a first key that goes."""
    text = "models:\n  - expect: {stage: export, reason: x}\n    " + ENTRY.partition("- ")[2]
    assert change(text, Change(frozenset({0}))) == "models:\n  - " + ENTRY.partition("- ")[2]


REFUSED = {
    "from defaults": (
        "defaults:\n  expect: {stage: export, reason: x}\n" + ENTRY,
        Change(frozenset({0})),
        "its 'expect' comes from 'defaults' or a merge key",
    ),
    "from defaults, adding": (
        "defaults:\n  expect: {stage: export, reason: x}\n" + ENTRY,
        Change(add=(NEW,)),
        "its 'expect' comes from 'defaults' or a merge key",
    ),
    "hides defaults": (
        "defaults:\n  expect: {stage: export, reason: y}\n" + ENTRY + ONE,
        Change(frozenset({0})),
        "the way it is written does not allow it",
    ),
    "merged": (
        ENTRY.replace("- id: cnn ", "- &cnn\n    id: cnn ") + ONE + "  - <<: *cnn\n    id: rnn\n",
        Change(frozenset({0})),
        "the way it is written does not allow it: the entry 'rnn' shares its text",
    ),
    "alias": (
        ENTRY.replace("- id", "- expect: &known {stage: export, reason: x}\n    id")
        + OTHER
        + "    expect: *known\n",
        Change(frozenset({0})),
        "the changed file would not be valid",
    ),
    "a comment in between": (
        "models:\n  - expect: {stage: export, reason: x}\n    # why\n    "
        + ENTRY.partition("- ")[2],
        Change(frozenset({0})),
        "a comment stands where text has to be removed",
    ),
    "carriage returns": (
        ENTRY.replace("\n", "\r"),
        Change(add=(NEW,)),
        "lines of the file end in a bare carriage return",
    ),
    "contradiction": (
        ENTRY.replace("opsets: [17, 18]", "opsets: [18]") + ONE,
        Change(add=(NEW,)),
        "the changed file would not be valid",
    ),
}


@pytest.mark.parametrize(("text", "wanted", "why"), REFUSED.values(), ids=REFUSED)
def test_what_a_person_has_to_change_is_refused(text, wanted, why, change):
    """Nothing is guessed: a change that cannot be just that change leaves the text alone."""
    assert change(text, wanted).startswith(why)


def test_an_expectation_by_alias_is_refused(change):
    """The text that the alias stands for belongs to another entry as well."""
    text = (
        ENTRY + "    expect: &known {stage: export, reason: x}\n" + OTHER + "    expect: *known\n"
    )
    assert change(text, Change(frozenset({0})), "mlp") == "its 'expect' is an alias"


def test_line_ends_and_byte_order_mark_are_kept(write, frameworks):
    """A file from Windows stays one, its new lines included."""
    path = write(b"\xef\xbb\xbf" + (ENTRY + OTHER).replace("\n", "\r\n").encode())
    (file,) = rewrite([path], frameworks, {"cnn": Change(add=(NEW,))}).files
    assert file.after.startswith(b"\xef\xbb\xbf# a zoo\r\n")
    assert file.after.count(b"\n") == file.after.count(b"\r\n") == (ENTRY + OTHER).count("\n") + 5


def test_the_file_that_holds_the_entry_is_changed(write, frameworks):
    """Entries of an included file are changed there, and the including file is left alone."""
    included = write(ENTRY, "more.yaml")
    path = write("include: [more.yaml]\n" + "models:" + OTHER)
    changes = {"cnn": Change(add=(NEW,)), "mlp": Change(add=(NEW,))}
    done = rewrite([path], frameworks, changes)
    assert [file.path for file in done.files] == [included, path]
    assert not done.refused


def test_writing_is_atomic_and_keeps_the_mode_and_the_link(write, frameworks, tmp_path):
    """The new text replaces the old in one step; nothing else is left in the folder."""
    target = write(ENTRY, "real/zoo.yaml")
    target.chmod(0o640)
    link = tmp_path / "zoo.yaml"
    link.symlink_to(target)
    (file,) = rewrite([link], frameworks, {"cnn": Change(add=(NEW,))}).files
    file.write()
    assert link.is_symlink()
    assert target.read_bytes() == file.after
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_was_changed_meanwhile_is_left_alone(write, frameworks):
    """What someone else wrote since is not overwritten."""
    path = write(ENTRY)
    (file,) = rewrite([path], frameworks, {"cnn": Change(add=(NEW,))}).files
    path.write_text(ENTRY + OTHER)
    with pytest.raises(FileChanged, match="has changed since it was read"):
        file.write()
    assert path.read_text() == ENTRY + OTHER


# -- any style ---------------------------------------------------------------------------

STYLES = 300


def written(data, dice, indent):
    """One value as YAML, in a style drawn by lot; block values begin with a line break."""
    pad = " " * indent
    if isinstance(data, dict) and dice.random() < 0.7:
        lines = []
        for key, value in data.items():
            if dice.random() < 0.15:
                lines.append(dice.choice(["", f"{pad}# about {key}"]))
            text = written(value, dice, indent + dice.choice([1, 2, 4]))
            lines.append(f"{pad}{key}:{text}{dice.choice(['', '', '  # note', ' '])}")
        return "\n" + "\n".join(lines)
    if isinstance(data, list) and dice.random() < 0.6 and data:
        lines = []
        for value in data:
            if dice.random() < 0.15:
                lines.append(dice.choice(["", f"{pad}# an item"]))
            gap = dice.choice([1, 1, 1, 3])
            text = written(value, dice, indent + 1 + gap)
            if (
                text.startswith("\n")
                and dice.random() < 0.7
                and not text[1:].lstrip(" ").startswith(("#", "\n"))
            ):
                text = text[1:].replace(" " * (indent + 1 + gap), " " * gap, 1)
            lines.append(f"{pad}-{text}")
        return "\n" + "\n".join(lines)
    if isinstance(data, str):
        return " " + dice.choice([f'"{data}"', f"'{data}'", *([data] if data.isalnum() else [])])
    if isinstance(data, dict):
        inner = (f"{key}:{written_flow(value, dice)}" for key, value in data.items())
        return " {" + f",{dice.choice([' ', ' ' + chr(10) + pad + ' '])}".join(inner) + "}"
    return written_flow(data, dice)


def written_flow(data, dice):
    """One value in flow style."""
    if isinstance(data, dict):
        inner = (f"{key}:{written_flow(value, dice)}" for key, value in data.items())
        return " {" + ", ".join(inner) + "}"
    if isinstance(data, list):
        return " [" + ",".join(written_flow(value, dice) for value in data) + "]"
    return f' "{data}"' if isinstance(data, str) else f" {data}"


def drawn_zoo(dice):
    """A zoo of some entries with some expectations, as data."""
    models = []
    for number in range(dice.randint(1, 4)):
        model = {
            "id": f"m{number}",
            "framework": "pytorch",
            "exporters": ["dynamo", "torchscript"],
            "opsets": [17, 18],
            "source": {"factory": "a:b", "args": {"width": 3}},
            "inputs": {"factory": "a:c"},
            "tags": ["full", "vision"],
        }
        places = [("dynamo", 17), ("dynamo", 18), ("torchscript", 17)]
        expect = [
            {"stage": dice.choice(["export", "parity"]), "exporter": exporter, "opset": opset,
             "reason": "it is known"}
            for exporter, opset in dice.sample(places, dice.randint(0, 3))
        ]  # fmt: skip
        if expect:
            model["expect"] = expect[0] if len(expect) == 1 and dice.random() < 0.7 else expect
        keys = dice.sample(list(model), len(model))
        models.append({key: model[key] for key in keys})
    return {"models": models}


def drawn_change(entry, dice):
    """Some change of an entry's expectations."""
    remove = frozenset(n for n in range(len(entry.expect)) if dice.random() < 0.4)
    kept = [n for n in range(len(entry.expect)) if n not in remove]
    narrow = {n: {"provider": "cpu"} for n in kept if entry.expect[n].stage == "parity"}
    new = Expectation(
        stage="parity", exporter="torchscript", opset=18, reason="x: y # z", match=r"a\d"
    )
    return Change(remove, narrow if dice.random() < 0.5 else {}, (new,) * (dice.random() < 0.6))


@pytest.mark.parametrize("seed", range(STYLES))
def test_any_style_reads_back_as_meant(seed, write, frameworks):
    """The entries are the same but for ``expect``; other lines are the same, byte for byte."""
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    line_break = dice.choice(["\n", "\n", "\r\n"])
    text = written(drawn_zoo(dice), dice, 0).lstrip("\n") + dice.choice(["\n", ""])
    path = write(text.replace("\n", line_break))
    try:
        before = read_zoo([path], frameworks)
    except ZooError as error:
        pytest.fail(f"not a zoo: {error}\n{text}")
    changes = {e.entry.id: drawn_change(e.entry, dice) for e in before.entries}
    done = rewrite([path], frameworks, changes)
    for file in done.files:
        file.write()
    after = read_zoo([path], frameworks)
    for was, now in zip(before.entries, after.entries, strict=True):
        meant = was.entry.expect
        if was.entry.id not in done.refused:
            meant = changes[was.entry.id].applied_to(meant)
        assert now.entry == was.entry.model_copy(update={"expect": meant})
    old, new = text.split("\n"), path.read_bytes().decode().replace("\r\n", "\n").split("\n")
    touched = {line for block in expect_lines(text) for line in range(*block)}
    for tag, start, end, _, _ in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if tag in ("replace", "delete"):
            lines = set(range(start, end))
            assert lines <= touched, [old[line] for line in lines - touched]
    comments = [line for n, line in enumerate(old) if "#" in line and n not in touched]
    assert all(line in new for line in comments)


def expect_lines(text):
    """Line ranges that hold an ``expect``, or an entry in braces, found by another parser."""
    models = YAML(typ="rt").compose(text).value[0][1]
    for entry in models.value:
        if entry.flow_style:
            yield entry.start_mark.line, entry.end_mark.line + 1
        for number, (key, value) in enumerate(entry.value):
            if key.value == "expect":
                following = entry.value[number + 1 :]
                end = following[0][0].start_mark if following else value.end_mark
                yield key.start_mark.line, end.line + 1


def test_most_styles_can_be_changed(write, frameworks):
    """Refusing everything would pass the test above."""
    refused = []
    for seed in range(40):
        dice = random.Random(seed)  # noqa: S311 - nothing secret
        path = write(written(drawn_zoo(dice), dice, 0).lstrip("\n"))
        zoo = read_zoo([path], frameworks)
        changes = {e.entry.id: drawn_change(e.entry, dice) for e in zoo.entries}
        refused += rewrite([path], frameworks, changes).refused.items()
    assert len(refused) <= 5, refused
