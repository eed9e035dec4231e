"""How a zoo is divided between machines."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from conformance.suite.shards import divide
from conformance.zoo import read_zoo

MODELS = "abcdefgh"


@pytest.fixture
def cases(tmp_path):
    """Eight models in two files, five and three."""
    found = {}
    for name, models in (("one.yaml", MODELS[:5]), ("two.yaml", MODELS[5:])):
        entry = (
            "  - {id: MODEL, framework: 'm:M', source: {factory: 'm:f'}, exporters: [e],"
            " opsets: [18], inputs: {spec: {x: {shape: [3]}}}}\n"
        )
        text = "models:\n" + "".join(entry.replace("MODEL", model) for model in models)
        path = tmp_path / name
        path.write_text(text)
        found[path] = read_zoo([path], {}).cases()
    return found


def key(model):
    return f"m:M/{model}@e-op18-fp32"


def keys_of(cases):
    return [located.case.key for found in cases.values() for located in found]


def models_of(part):
    return "".join(k.partition("/")[2][0] for k in part)


@pytest.mark.parametrize("known", [{}, {"a": 9.0, "c": 2.0, "g": 4.0}])
@pytest.mark.parametrize("parts", [1, 2, 3, 11])
def test_every_case_is_in_exactly_one_part(cases, parts, known):
    """Whatever is known, the parts together are the zoo, each in its order."""
    known = {k: s for k in keys_of(cases) for m, s in known.items() if f"/{m}@" in k}
    division = divide(cases, parts, known)
    taken = [keys_of(division.part(number, cases)) for number in range(1, parts + 1)]
    assert sorted(chain.from_iterable(taken)) == sorted(keys_of(cases))
    assert [list(part) for part in division.parts] == taken


def test_without_a_history_the_cases_of_a_file_take_turns(cases):
    """Every N-th case of each file is of the same part."""
    assert [models_of(part) for part in divide(cases, 2, {}).parts] == ["acefh", "bdg"]


def test_the_longest_case_does_not_meet_the_second_longest(cases):
    """By durations, each part has about as much to do, where turns would give one nearly all."""
    seconds = dict(zip(keys_of(cases), [30, 1, 20, 1, 10, 1, 1, 1], strict=True))
    parts = divide(cases, 2, seconds).parts
    loads = [sum(seconds[k] for k in part) for part in parts]
    assert sorted(loads) == [32, 33]
    turns = [sum(seconds[k] for k in part) for part in divide(cases, 2, {}).parts]
    assert max(turns) == 62


def test_cases_that_took_no_time_are_spread_too(cases):
    """Equal loads go to the part with fewer cases."""
    parts = divide(cases, 4, dict.fromkeys(keys_of(cases), 0.0)).parts
    assert [len(part) for part in parts] == [2, 2, 2, 2]


def test_other_durations_make_another_digest(cases):
    """Machines that know different things are told apart, by division and not by what they know."""
    first, *others = keys_of(cases)
    slow = {first: 30.0} | dict.fromkeys(others, 1.0)
    slower = {key: 2 * taken for key, taken in slow.items()}
    assert divide(cases, 2, slow).digest != divide(cases, 2, {}).digest
    assert divide(cases, 2, slow).digest == divide(cases, 2, slower).digest


def test_a_zoo_elsewhere_is_divided_alike(cases):
    """Where the files lie does not matter."""
    moved = {Path("/elsewhere") / path.name: found for path, found in cases.items()}
    assert divide(moved, 3, {}).digest == divide(cases, 3, {}).digest
