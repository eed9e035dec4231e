from __future__ import annotations

from pathlib import Path

import execnet

from conformance.suite.handover import Handover


def test_a_worker_is_given_what_the_controller_knows():
    """The handover survives xdist's own way to its workers, which carries plain types only."""
    known = Handover(
        scratch=Path("/scratch/conformance-x"),
        seconds={"Honest/honest@mini-op18-fp32": 1.5},
        shared_seconds={},
        earlier_runs=(Path("/reports/runs/2.jsonl"), Path("/reports/runs/1.jsonl")),
    )
    workerinput = {"workerid": "gw0"}
    known.give(workerinput)
    assert Handover.taken(execnet.loads(execnet.dumps(workerinput))) == known
