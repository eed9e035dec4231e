from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from zoo_cases import located, ref

from conformance.engine import Engine
from conformance.execution.child import ForkedChildren, SpawnedChildren, children
from conformance.execution.contract import Spec
from conformance.model import TestKind, to_json
from conformance.redaction import hide_secrets
from conformance.tasks import Settings

#: Unlike any token: only the variable's name says that it is one.
TOKEN = "correct-battery-staple"
HERE = Path(__file__).parent
PYTHONPATH = os.pathsep.join((os.fspath(HERE), os.fspath(HERE.parent)))


@pytest.fixture(params=[ForkedChildren, SpawnedChildren])
def failure(request, tmp_path, monkeypatch):
    """The failure that a leaking target leaves, of a child that knows the token."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    executor = request.param({"PYTHONPATH": PYTHONPATH})

    def fail(target):
        spec = Spec(
            target=f"leaking_adapters:{target}",
            payload={},
            workdir=tmp_path,
            progress=tmp_path / "progress.json",
            timeout_s=60,
        )
        return executor.run(spec).failure

    yield fail
    executor.close()


def test_a_token_and_a_login_do_not_leave_the_child(failure):
    """Neither by the error, nor its traceback, nor what was printed; the rest is still told."""
    found = failure("leak")
    text = f"{found.reason}\n{found.details}"
    assert TOKEN not in text
    assert "correct-horse" not in text
    assert found.reason == "401 for <$HF_TOKEN> at https://example.org/model"
    assert "LoadError: 401 for <$HF_TOKEN>" in found.details
    assert "stdout <$HF_TOKEN> https://example.org" in found.details
    assert "stderr <$HF_TOKEN> https://example.org" in found.details


def test_a_child_that_dies_leaves_no_token_in_its_last_output(failure):
    """What is kept of the output is all that there is to tell, and it tells no secret."""
    assert failure("leak_and_die").details == "dying <$HF_TOKEN>"


@pytest.mark.parametrize("test", [TestKind.EXPORT, TestKind.PARITY])
def test_an_adapter_that_leaks_leaves_no_secret_in_a_record_or_a_file(tmp_path, monkeypatch, test):
    """From the adapter's print and error to the record and everything that a run leaves."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    executor = children({"PYTHONPATH": PYTHONPATH})
    settings = Settings(
        cache_dir=tmp_path / "cache",
        workdir=tmp_path / "work",
        progress=tmp_path / "progress.json",
        offline=False,
        require=False,
        seed=0,
        failures_dir=tmp_path / "failures",
    )
    case = located("leaking_adapters:Leaking")
    try:
        record = Engine(settings, executor, {}).run(case, ref(case, test))
    finally:
        executor.close()
    assert "401 for <$HF_TOKEN> at https://example.org/model" in record.reason
    left = [path for kind in ("cache", "failures") for path in (tmp_path / kind).rglob("*")]
    texts = [json.dumps(to_json(record)), *(p.read_text() for p in left if p.suffix == ".json")]
    assert not [text for text in texts if TOKEN in text or "correct-horse" in text]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("hf_abcdefghijklmnopqrst is bad", "<token> is bad"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "Authorization: Bearer <token>"),
        ("https://me:pw@example.org/x", "https://example.org/x"),
        ("https://only-a-token@example.org/x", "https://example.org/x"),
        ("token=abcdefghijklmnopqrst", "token=<token>"),
        ("12 tokens: 1, 2 and 3", "12 tokens: 1, 2 and 3"),
        ("user@example.org", "user@example.org"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_nothing_else(text, hidden):
    """Tokens that no variable holds, by their looks; ordinary words stay."""
    assert hide_secrets(text) == hidden


def test_of_two_secrets_that_begin_alike_neither_leaves_a_rest(monkeypatch):
    """The longer is looked for first."""
    monkeypatch.setenv("A_TOKEN", "swordfish")
    monkeypatch.setenv("B_TOKEN", "swordfish-and-more")
    assert hide_secrets("swordfish-and-more swordfish") == "<$B_TOKEN> <$A_TOKEN>"


def test_short_values_are_words(monkeypatch):
    """A variable that says TOKEN=true would take every "true" out of a log."""
    monkeypatch.setenv("USE_TOKEN", "true")
    assert hide_secrets("it is true") == "it is true"
