"""Entries: every error at once at its place, defaults, includes, ids, cases."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from conformance.entry import SourceKind
from conformance.zoo import ZooError, read_zoo

HEAD = "models:\n  - id: cnn\n    framework: pytorch\n"
SOURCE = '    source: {factory: "a:b"}\n'
INPUTS = '    inputs: {factory: "a:c"}\n'
ENTRY = HEAD + SOURCE + INPUTS  # the next line is line 6

WRONG_VALUES = {
    "task: 3": "6:11: task must be text, not the number 3",
    "memory: 4 bananas": "6:13: memory is refused: could not interpret byte unit: bananas",
    "timeout: 0": "6:14: timeout must be more than 0, not the number 0",
    "timeout: '9'": "6:14: timeout must be a number, not the text '9'",
    "tags: full": "6:11: tags must be a list, not the text 'full'",
    "tags: [a b]": "6:11: tags: tag 'a b' must be a word that '-m' can select",
    "task: a/b": "6:11: task 'a/b' must be a word that '-m' can select",
    "exporters: []": "6:16: exporters must not be empty",
    "exporters: [dynamoo]": ("6:17: pytorch has no exporter 'dynamoo'; did you mean 'dynamo'?"),
    "exporters: [dynamo, dynamo]": "6:25: exporters lists dynamo twice",
    "opsets: ['18']": "6:14: opsets[0] must be a whole number, not the text '18'",
    "opsets: [17, 99]": (
        "6:18: opset 99 is out of reach: pytorch exports 9 to 25, and converted from there can be "
        "7 to 26"
    ),
    "provider_options: {openvino: {device_typ: CPU}}": (
        "6:35: openvino has no option 'device_typ'; did you mean 'device_type'?"
    ),
    "provider_options: {opnvino: {}}": (
        "6:24: options of unknown provider 'opnvino'; did you mean 'openvino'?"
    ),
    "provider_options: {openvino: {num_streams: two}}": (
        "6:48: provider_options.openvino.num_streams must be a whole number, not the text 'two'"
    ),
    "provider_options: {cuda: {use_tf32: 1}}": (
        "6:41: provider_options.cuda.use_tf32 must be true or false, not the number 1"
    ),
    "provider_options: {qnn: {backend_path: evil.so}}": (
        "6:30: qnn has no option 'backend_path'; did you mean 'backend_type'?"
    ),
    "opsets: [17, 18-16]": "6:13: opsets: the range '18-16' ends before it begins",
    "opsets: thirteen": "6:13: opsets: 'thirteen' is no range of opsets such as '13-18'",
    "opsets: [13-15, 14]": "6:21: opsets lists 14 twice",
    "opsets: [13-15, x]": "6:21: opsets[1] must be a whole number, not the text 'x'",
    "opsets: [true]": "6:14: opsets[0] must be a whole number, not true",
    "variants: [fp23]": "6:16: unknown variant 'fp23'; did you mean 'fp32'?",
    "budgets: {fp23: {min_snr_db: 9, reason: x}}": (
        "6:21: budget of unknown variant 'fp23'; did you mean 'fp32'?"
    ),
    "budgets: {optimized-ort: {min_snr_db: 9, reason: x}}": (
        "6:30: optimized-ort may lose nothing: it is held to the entry's 'tolerance'"
    ),
    "calibration: {sets: 4}": (
        "6:18: calibration data, but int8-static is not among the entry's 'variants'"
    ),
    "variants: [int8-static]\n    calibration: {sets: 4, files: [a.npz]}": (
        "7:18: calibration: goes by one of sets, factory, files; found sets and files"
    ),
    "budgets: {fp16: {min_snr_db: 9, reason: x}}": (
        "6:21: budget of fp16, which is not among the entry's 'variants'"
    ),
    "variants: [int4]\n    budgets: {int4: {min_snr_db: 9}}": "7:21: budgets.int4 needs 'reason'",
    "variants: [int4]\n    budgets: {int4: {reason: x}}": (
        "7:21: budgets.int4: a budget needs 'min_snr_db' or 'min_agreement'"
    ),
    "providers: [cpu, cdua]": "6:22: unknown provider 'cdua'; did you mean 'cuda'?",
    "requires: ['a b']": "6:16: 'a b' is not a requirement such as 'name>=1.0'",
    "conversion: {optimise: true}": (
        "6:18: unknown key 'optimise' in conversion; did you mean 'optimize'?"
    ),
    "conversion: {optimize: 1}": (
        "6:28: conversion.optimize must be true or false, not the number 1"
    ),
    "conversion: {input_names: [a, 2]}": (
        "6:35: conversion.input_names[1] must be text, not the number 2"
    ),
    "conversion: {dynamic_axes: {x: n}}": (
        "6:36: conversion.dynamic_axes.x must be a mapping or a list, not the text 'n'"
    ),
    "tolerance: {rtol: 1e-3}": (
        "6:16: tolerance: a tolerance other than the default needs a 'reason'"
    ),
    "tolerance: {rtoll: 1e-3}": "6:17: unknown key 'rtoll' in tolerance; did you mean 'rtol'?",
    "tolerance: 1": "6:16: tolerance must be a mapping, not the number 1",
    "dynamic: {x: {first: n}}": "6:19: the key 'first' in dynamic.x must be a whole number",
    "dynamic: {x: {0: 3}}": "6:22: dynamic.x.0 must be text, not the number 3",
    "expect: {stage: exprt, reason: x}": (
        "6:21: expect.stage cannot be the text 'exprt'; did you mean 'export'?"
    ),
    "expect: [{stage: export}]": "6:14: expect[0] needs 'reason'",
    "expect: 3": "6:13: expect must be a mapping or a list of them, not the number 3",
    "expect: [3]": "6:14: expect[0] must be a mapping, not the number 3",
    "expect: {stage: load, reason: x, match: '('}": (
        "6:45: expect.match: not a regular expression: "
    ),
    "expect: {stage: load, reason: x, link: here}": (
        "6:44: expect.link must match ^https?://, not the text 'here'"
    ),
    "expect: {stage: load, reason: x, exporter: torchscript}": (
        "6:13: no case of 'cnn' is torchscript; it has dynamo-op18-cpu"
    ),
    "expect: [{stage: load, reason: x}, {stage: session, reason: x, opset: 17, provider: cpu}]": (
        "6:40: no case of 'cnn' is op17-cpu; it has dynamo-op18-cpu"
    ),
    "expect: {stage: parity, reason: x, variant: fp16}": (
        "6:13: no case of 'cnn' is fp16; it has dynamo-op18-cpu"
    ),
    "expect: {stage: load, reason: x, expires: soon}": (
        "6:47: expect.expires must be a date such as 2027-01-31, not the text 'soon'"
    ),
    "expect: {stage: load, reason: x, expires: 2027-02-30}": (
        "6:47: expect.expires must be a date such as 2027-01-31, not the text '2027-02-30'"
    ),
    "expect: {stage: load, reason: x, expires: 20270131}": (
        "6:47: expect.expires must be a date such as 2027-01-31, not the number 20270131"
    ),
    "expect: {stage: load, reason: x, expires: '86400'}": (
        "6:13: expires must be a date such as 2027-01-31, not '86400'"
    ),
    "constant_outputs: [bias]": "6:23: constant_outputs must be a mapping, not a list",
    "constant_outputs: {bias: 3}": ("6:30: constant_outputs.bias must be text, not the number 3"),
    "constant_outputs: {bias: }": "6:24: constant_outputs.bias must be text, not empty",
    "mutation: {max_missed_rate: 2, reason: x}": (
        "6:33: mutation.max_missed_rate must be at most 1, not the number 2"
    ),
    "mutation: {max_missed_rate: 0.5}": (
        "6:15: mutation: a rate other than the default needs a 'reason'"
    ),
    "mutation: {rate: 0.5}": "6:16: unknown key 'rate' in mutation",
    "framwork: x": "6:5: unknown key 'framwork'; did you mean 'framework'?",
    "zzz: x": "6:5: unknown key 'zzz'",
}


@pytest.mark.parametrize(("line", "expected"), WRONG_VALUES.items(), ids=WRONG_VALUES.keys())
def test_a_wrong_value_is_one_line_at_its_place(line, expected, problems_of):
    """Each wrong value or key gives exactly one problem, at that value or key."""
    (problem,) = problems_of(f"{ENTRY}    {line}\n")
    assert problem.startswith(f"zoo.yaml:{expected}")


def test_a_mapping_that_may_also_be_a_flag_is_located_inside(problems_of):
    """Keys of a mapping that is one of several choices are reported at their own place."""
    problems = problems_of(f"{ENTRY}    conversion: {{precision: {{bit: 8}}}}\n")
    assert "zoo.yaml:6:29: conversion.precision needs 'bits'" in problems
    assert (
        "zoo.yaml:6:30: unknown key 'bit' in conversion.precision; did you mean 'bits'?" in problems
    )


def test_missing_keys_are_reported_at_the_entry(problems_of):
    """A key that an entry lacks is reported where the entry starts."""
    assert problems_of("models:\n  - id: cnn\n") == [
        f"zoo.yaml:2:5: a model needs '{key}'" for key in ("framework", "source", "inputs")
    ]


def test_errors_inside_generated_inputs_are_located(problems_of):
    """Sizes, types and keys of an input's spec are reported one by one."""
    spec = "    inputs: {spec: {x: {shape: [-1, null, 'a b'], dtype: flot32, fil: ones}}}\n"
    assert problems_of(HEAD + SOURCE + spec) == [
        "zoo.yaml:5:33: inputs.spec.x.shape[0] must be at least 0, not the number -1",
        "zoo.yaml:5:37: inputs.spec.x.shape[1] must be a whole number or text, not empty",
        "zoo.yaml:5:58: inputs.spec.x.dtype cannot be the text 'flot32'; did you mean 'float32'?",
        "zoo.yaml:5:66: unknown key 'fil' in inputs.spec.x; did you mean 'fill'?",
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{}", f"needs exactly one of {', '.join(get_args(SourceKind))}; found none"),
        ("{factory: nothing}", "'nothing' is not of the form 'pkg.module:name'"),
        ("{hub: a/b, args: {x: 1}}", "'args' goes with 'factory' or 'torch_hub', not with 'hub'"),
        ("{url: 'https://a.org/m.tar.gz'}", "'url' needs 'sha256', the digest of the file"),
        (
            "{torch_hub: ./net, trust_remote_code: true}",
            "'torch_hub' needs 'entrypoint', the name of a function in hubconf.py",
        ),
    ],
)
def test_a_contradictory_source_is_located(source, message, problems_of):
    """What is wrong with a source as a whole is reported at the source."""
    problems = problems_of(HEAD + f"    source: {source}\n" + INPUTS)
    assert problems == [f"zoo.yaml:4:13: source: {message}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/b", "id 'a/b' may hold only letters"),
        ("a\\b", r"id 'a\\b' may hold only letters"),
        ("..", "id '..' may hold only letters"),
        ("", "id must not be empty"),
        ("a b", "id 'a b' may hold only letters"),
        ("é", "id 'é' may hold only letters"),
        ("a" * 101, "id must have at most 100 characters"),
    ],
)
def test_hostile_ids_are_refused(name, message, problems_of):
    """An id that could leave its folder or its line is refused at the id."""
    (problem,) = problems_of(ENTRY.replace("id: cnn", f"id: '{name}'"))
    assert problem.startswith(f"zoo.yaml:2:9: {message}")


@pytest.mark.parametrize("escape", [r"\0", r"\n", r"\e[2J", r"\u202e", r"\u200f"])
def test_invisible_characters_in_ids_are_refused(escape, problems_of):
    """An id with control or bidirectional characters is refused and never printed raw."""
    problems = problems_of(ENTRY.replace("id: cnn", f'id: "a{escape}"'))
    assert problems[0].startswith("zoo.yaml:2:9: ")
    assert all(problem.isprintable() for problem in problems)


def test_frameworks_are_a_closed_set(problems_of):
    """An unknown framework is reported at its name, with the closest known one."""
    assert problems_of(ENTRY.replace("pytorch", "pytroch")) == [
        "zoo.yaml:3:16: unknown framework 'pytroch'; did you mean 'pytorch'?"
    ]
    assert problems_of(ENTRY.replace("pytorch", "jax")) == [
        "zoo.yaml:3:16: unknown framework 'jax'; known: pytorch, sklearn"
    ]


def test_an_adapter_of_ones_own_needs_exporters_and_opsets(problems_of, write, frameworks):
    """``pkg.module:Adapter`` is taken as it is, once the entry says what to export."""
    own = ENTRY.replace("pytorch", "my.adapters:Jax")
    assert problems_of(own) == [
        "zoo.yaml:3:16: an adapter of your own needs 'exporters' in the entry",
        "zoo.yaml:3:16: an adapter of your own needs 'opsets' in the entry",
    ]
    more = "    exporters: [jax2onnx]\n    opsets: [99]\n    conversion: {anything: goes}\n"
    zoo = read_zoo([write(own + more)], frameworks)
    assert [case.case.key for case in zoo.cases()] == ["Jax/cnn@jax2onnx-op99-fp32"]
    assert problems_of(own.replace("my.adapters", "my-adapters") + more) == [
        "zoo.yaml:3:16: 'my-adapters:Jax' is not of the form 'pkg.module:Adapter'"
    ]
    assert problems_of(own + more.replace("jax2onnx", "../x")) == [
        "zoo.yaml:6:17: exporter '../x' may hold only letters, digits, '.', '-' and '_'"
    ]


def test_every_error_of_every_file_at_once(write, frameworks, tmp_path):
    """Problems of several files, of syntax and of content, come together and in order."""
    broken = write("models: [\n", "broken.yaml")
    wrong = write(f"modles: []\n{ENTRY}    zzz: 1\n  - 3\n  - id: CNN\n", "wrong.yaml")
    absent = tmp_path / "absent.yaml"
    with pytest.raises(ZooError) as caught:
        read_zoo([wrong, broken, absent, tmp_path], frameworks)
    places = [(p.file, p.line, p.column) for p in caught.value.problems]
    assert places == [
        (wrong, 1, 1),
        (wrong, 7, 5),
        (wrong, 8, 5),
        (wrong, 9, 5),
        (wrong, 9, 5),
        (wrong, 9, 5),
        (wrong, 9, 9),
        (broken, 2, 1),
        (absent, 1, 1),
        (tmp_path, 1, 1),
    ]
    assert f"there is no file {absent}" in str(caught.value)
    assert f"{tmp_path} is a folder" in str(caught.value)


def test_top_level_keys_and_version(problems_of):
    """Unknown top-level keys and unknown versions are reported at key and value."""
    assert problems_of(f"version: 2\ndefault: {{}}\n{ENTRY}") == [
        "zoo.yaml:1:10: version must be 1, not the number 2",
        "zoo.yaml:2:1: unknown key 'default' at the top level; did you mean 'defaults'?",
    ]


def test_ids_are_unique_whatever_their_case(problems_of):
    """A repeated id, or one that differs only in case, names the other's position."""
    second = ENTRY.removeprefix("models:\n")
    assert problems_of(ENTRY + second) == [
        "zoo.yaml:6:9: the id 'cnn' is already given to the model at zoo.yaml:2:9"
    ]
    assert problems_of(ENTRY + second.replace("cnn", "CNN")) == [
        "zoo.yaml:6:9: the id 'CNN' differs only in case from 'cnn' at zoo.yaml:2:9"
    ]


def test_defaults_fill_in_whole_keys(write, frameworks):
    """An entry's own key replaces the default whole; other keys come from the defaults."""
    text = (
        "defaults:\n"
        "  framework: sklearn\n"
        "  inputs: {factory: 'a:c'}\n"
        "  tags: [fast]\n"
        "  tolerance: {k: 5, reason: noisy}\n"
        "models:\n"
        "  - id: one\n"
        "    source: {factory: 'a:b'}\n"
        "  - id: two\n"
        "    source: {factory: 'a:b'}\n"
        "    tags: []\n"
        "    tolerance: {floor_ulps: 32, reason: large}\n"
    )
    one, two = (located.entry for located in read_zoo([write(text)], frameworks).entries)
    assert (one.framework, one.tags, one.tolerance.k) == ("sklearn", ("fast",), 5.0)
    assert (two.tags, two.tolerance.k, two.tolerance.floor_ulps) == ((), 3.0, 32.0)


def test_wrong_defaults_are_reported_once_at_their_place(problems_of):
    """A default that is wrong for every entry is one problem, in the defaults."""
    second = ENTRY.removeprefix("models:\n").replace("cnn", "other")
    defaults = (
        "defaults:\n"
        "  id: x\n"
        "  timeout: soon\n"
        "  exporters: [onnx]\n"
        "  toleranc: {}\n"
        "  providers: [gpu]\n"
        "  conversion: {zipmap: true}\n"
    )
    assert problems_of(defaults + ENTRY + second) == [
        "zoo.yaml:2:3: defaults cannot give 'id': each model has its own",
        "zoo.yaml:3:12: timeout must be a number, not the text 'soon'",
        "zoo.yaml:4:15: pytorch has no exporter 'onnx'; known: dynamo, torchscript",
        "zoo.yaml:5:3: unknown key 'toleranc' in defaults; did you mean 'tolerance'?",
        "zoo.yaml:6:15: unknown provider 'gpu'; did you mean 'webgpu'?",
        "zoo.yaml:7:16: unknown key 'zipmap' in conversion",
    ]


def test_wrong_defaults_are_reported_without_an_entry_that_uses_them(problems_of):
    """Defaults are checked for themselves: every entry overriding them hides nothing."""
    assert problems_of(f"defaults: {{framework: troch, timeout: -1}}\n{ENTRY}    timeout: 9\n") == [
        "zoo.yaml:1:23: unknown framework 'troch'; did you mean 'pytorch'?",
        "zoo.yaml:1:39: timeout must be more than 0, not the number -1",
    ]
    assert problems_of("defaults: [1]\n" + ENTRY) == [
        "zoo.yaml:1:11: defaults must be a mapping, not a list"
    ]


def test_includes_come_first_and_keep_their_own_defaults(write, frameworks, tmp_path):
    """Included models precede the file's own, with their folder and without its defaults."""
    write(ENTRY, "more/included.yaml")
    main = write(
        "include: [more/included.yaml]\ndefaults: {tags: [own]}\n" + ENTRY.replace("cnn", "main")
    )
    included, own = read_zoo([main], frameworks).entries
    assert (included.entry.id, included.entry.tags) == ("cnn", ())
    assert (included.file, included.line) == (tmp_path / "more/included.yaml", 2)
    assert included.zoo_dir == tmp_path / "more"
    assert (own.entry.id, own.entry.tags, own.zoo_dir) == ("main", ("own",), tmp_path)


def test_problems_in_an_included_file_name_that_file(write, problems_of):
    """Positions inside an included file are that file's."""
    write(f"{ENTRY}    zzz: 1\n", "more/included.yaml")
    assert problems_of("include: [more/included.yaml]\n") == [
        "more/included.yaml:6:5: unknown key 'zzz'"
    ]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("[absent.yaml]", "1:11: there is no file absent.yaml"),
        ("[more]", "1:11: more is a folder; name a zoo file in it"),
        ("[zoo.yaml]", "1:11: zoo.yaml includes itself"),
        ("other.yaml", "1:10: include must be a list of files, not the text 'other.yaml'"),
        ("[3, '']", "1:11: an include must be a file's name, not the number 3"),
    ],
)
def test_bad_includes_are_reported_at_the_include(include, expected, write, problems_of):
    """An include that cannot be followed is reported where it is written."""
    write(ENTRY, "more/included.yaml")
    assert f"zoo.yaml:{expected}" in problems_of(f"include: {include}\n{ENTRY}")


def test_a_cycle_of_includes_is_reported_where_it_closes(write, problems_of):
    """Files that include each other are refused at the include that closes the circle."""
    write(f"include: [../zoo.yaml]\n{ENTRY}", "more/other.yaml")
    assert problems_of("include: [more/other.yaml]\n") == [
        "more/other.yaml:1:11: more/../zoo.yaml includes itself"
    ]


def test_a_file_reached_twice_is_read_once(write, frameworks):
    """Naming a file that another one includes gives its models once."""
    included = write(ENTRY, "included.yaml")
    main = write("include: [included.yaml, ./included.yaml]\n")
    assert len(read_zoo([main, included], frameworks).entries) == 1


def test_every_case_is_of_one_of_the_files_that_were_asked_for(write, frameworks):
    """An included file belongs to who includes it first, one that is asked for to itself."""
    write(ENTRY.replace("cnn", "deep"), "deep.yaml")
    inner = write("include: [deep.yaml]\n" + ENTRY.replace("cnn", "inner"), "inner.yaml")
    write(ENTRY.replace("cnn", "shared"), "shared.yaml")
    first = write("include: [inner.yaml, shared.yaml]\n" + ENTRY, "first.yaml")
    second = write("include: [shared.yaml, deep.yaml]\n", "second.yaml")
    link = first.with_name("link.yaml")
    link.symlink_to(inner)

    def models(*paths):
        found = read_zoo(paths, frameworks).cases_by_zoo()
        return {path.name: [case.case.entry.id for case in cases] for path, cases in found.items()}

    assert models(first) == {"first.yaml": ["deep", "inner", "shared", "cnn"]}
    assert models(first, second, link) == {
        "inner.yaml": ["deep", "inner"],
        "first.yaml": ["shared", "cnn"],
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_reported(write, frameworks):
    """A file without read permission is a problem of the zoo, not a traceback."""
    path = write(ENTRY)
    path.chmod(0)
    with pytest.raises(ZooError, match="cannot be read: Permission denied"):
        read_zoo([path], frameworks)


def test_a_loop_of_links_is_reported(tmp_path, frameworks):
    """A symbolic link to itself is a problem of the zoo, not a traceback."""
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    with pytest.raises(ZooError, match="cannot be read"):
        read_zoo([loop], frameworks)


def test_cases_are_the_product_in_file_order(write, frameworks):
    """Cases are exporter x opset x variant, in the entry's order, framework defaults filled."""
    second = ENTRY.removeprefix("models:\n").replace("cnn", "tree").replace("pytorch", "sklearn")
    more = "    exporters: [torchscript, dynamo]\n    opsets: [18, 17]\n"
    zoo = read_zoo([write(ENTRY + more + second)], frameworks)
    cases = zoo.cases()
    assert [located.case.key for located in cases] == [
        "pytorch/cnn@torchscript-op18-fp32",
        "pytorch/cnn@torchscript-op17-fp32",
        "pytorch/cnn@dynamo-op18-fp32",
        "pytorch/cnn@dynamo-op17-fp32",
        "sklearn/tree@skl2onnx-op18-fp32",
    ]
    assert [located.line for located in cases] == [2, 2, 2, 2, 8]


def test_paths_are_relative_to_the_current_folder_but_folders_are_absolute(
    write, frameworks, tmp_path, monkeypatch
):
    """Files are shown as they were named; the folder for an entry's paths never moves."""
    write(ENTRY)
    monkeypatch.chdir(tmp_path)
    (located,) = read_zoo([Path("zoo.yaml")], frameworks).entries
    assert located.file == Path("zoo.yaml")
    assert located.zoo_dir == tmp_path


def test_whole_numbers_as_keys_become_text(write, frameworks):
    """Values are JSON values: an integer key, as in ``id2label``, is its own text."""
    architecture = "    source: {architecture: A, config: {id2label: {0: cat}}}\n"
    (located,) = read_zoo([write(HEAD + architecture + INPUTS)], frameworks).entries
    assert located.entry.source.config == {"id2label": {"0": "cat"}}


def test_expectations_are_read_as_one_or_many(write, frameworks):
    """``expect`` may be one mapping or a list; selectors must match some case."""
    one = "    expect: {stage: parity, reason: x, opset: 18, provider: cpu}\n"
    many = "    expect:\n      - {stage: export, reason: x}\n      - {stage: parity, reason: y}\n"
    for text, stages in (
        (one, ["parity"]),
        (f"    opsets: [17, 18]\n{many}", ["export", "parity"]),
    ):
        (located,) = read_zoo([write(ENTRY + text)], frameworks).entries
        assert [known.stage for known in located.entry.expect] == stages


@pytest.mark.parametrize("day", ["2027-01-31", "'2027-01-31'", '"2027-01-31"'])
def test_an_expectation_expires_on_a_day(day, write, frameworks):
    """A date is one with and without quotes."""
    text = f"    expect: {{stage: load, reason: x, expires: {day}}}\n"
    (located,) = read_zoo([write(ENTRY + text)], frameworks).entries
    assert located.entry.expect[0].expires == date(2027, 1, 31)
