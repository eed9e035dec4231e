"""``conformance gate``: stored runs before the gate, as a person types it."""

from __future__ import annotations

import json

import pytest
from run_values import ROW

from conformance.cli import main

OLD, NEW = "20261120T000000Z-0000", "20261121T000000Z-0000"
ZOO = """\
gate: {size: 1.1}
models: [{id: a, framework: sklearn, source: {factory: "a:b"}, inputs: {factory: "a:c"}}]
"""


@pytest.fixture
def command(tmp_path, capsys):
    """Run ``conformance gate`` on ``tmp_path``: exit code, stdout, stderr."""

    def run(*arguments):
        code = main(["gate", "--report", str(tmp_path), *arguments])
        return code, *capsys.readouterr()

    return run


def grow(path, size_bytes):
    """Give the model of every record of a run another size."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["kind"] == "record":
            line["export"]["size_bytes"] = size_bytes
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_a_stored_run_goes_through(command, write_run):
    """Exit 0, with how many cases each rule looked at."""
    write_run(OLD)
    write_run(NEW)
    code, out, err = command("latest")
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first == f"run {NEW}: gate passed; compared with run {OLD}"
    assert "  size          1.05x          looked at 1 of 1" in rest


def test_a_stored_run_is_stopped(command, write_run):
    """Exit 1, with rule, case and figures; the command line and a zoo's gate change the rule."""
    write_run(OLD)
    grow(write_run(NEW), 129_600)
    code, out, _ = command(NEW)
    assert code == 1
    sentence = f"129,600 bytes, 1.08x the 120,000 of run {OLD}, limit 1.05x"
    assert f"  ✗ size: {ROW}: {sentence}" in out.splitlines()
    assert command("latest", "--rule", "size=1.2")[0] == 0
    assert command("latest", "--rule", "size=off")[0] == 0
    assert command("latest", "--baseline", NEW)[0] == 0


def test_the_rules_of_a_zoo_hold(command, write_run, tmp_path):
    """--zoo gives them; --rule stands over them."""
    write_run(OLD)
    grow(write_run(NEW), 129_600)
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(ZOO)
    assert command("latest", "--zoo", str(zoo))[0] == 0
    assert command("latest", "--zoo", str(zoo), "--rule", "size=1.05")[0] == 1


def test_several_runs_go_through_together_or_not_at_all(command, write_run):
    """One of the shards of a pipeline is enough to stop it."""
    write_run(OLD, shard="1/2")
    write_run("20261120T000001Z-0000", shard="2/2")
    first, second = write_run(NEW, shard="1/2"), write_run("20261121T000001Z-0000", shard="2/2")
    assert command(first.stem, second.stem)[0] == 0
    grow(second, 200_000)
    code, out, _ = command(first.stem, str(second), "--json")
    assert code == 1
    assert [(item["run"], item["gate"]["passed"]) for item in json.loads(out)] == [
        (first.stem, True),
        (second.stem, False),
    ]


def test_a_run_that_did_not_finish_does_not_go_through(command, write_run):
    """What a run did not reach, nobody has judged."""
    path = write_run(NEW)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    code, out, _ = command(NEW)
    assert code == 1
    assert out == f"run {NEW}: gate failed: the run is crashed, or still going on\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-run"], f"holds no run 'no-such-run'; the newest: {NEW}"),
        (["latest", "--rule", "size=small"], "size takes a factor above 1"),
        (["latest", "--baseline", "no-such-run"], "no-such-run is no run of"),
    ],
)
def test_wrong_usage_is_named(command, write_run, arguments, message):
    """Exit 2 and the next step; nothing is judged."""
    write_run(NEW)
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert message in err
