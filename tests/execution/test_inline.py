from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conformance.execution.contract import Spec
from conformance.execution.inline import Inline
from conformance.model import Stage, Verdict

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def run(tmp_path):
    executor = Inline({"OMP_NUM_THREADS": "1"})

    def run(target, **payload):
        spec = Spec(f"targets:{target}", payload, tmp_path, tmp_path / "progress.json", 60.0)
        return executor.run(spec)

    yield run
    executor.close()


def test_the_contract_is_that_of_a_child(run):
    """Results, errors of a stage and infra trouble come back as they do from a child."""
    assert run("returns", number=21).value == {"doubled": 42, "threads": "1"}
    failure = run("raises").failure
    assert (failure.verdict, failure.stage) == (Verdict.FAIL, Stage.EXPORT)
    assert failure.reason == "ZeroDivisionError: by zero"
    assert run("infra").failure.verdict is Verdict.INFRA_ERROR


def test_a_result_arrives_as_a_child_would_send_it(run):
    """What passes through JSON changes here as it does on its way from a child."""
    assert run("returns_a_tuple").value == {"numbers": [1, 2]}


def test_the_work_is_done_in_this_process(run):
    """A debugger that is attached here sees the model."""
    assert run("returns_its_pid").value == {"pid": os.getpid()}


def test_the_environment_is_given_back():
    """What the work needs in the environment does not stay after it."""
    executor = Inline({"OF_THIS_TEST": "1"})
    assert os.environ["OF_THIS_TEST"] == "1"
    executor.close()
    assert "OF_THIS_TEST" not in os.environ
