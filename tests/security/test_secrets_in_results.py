"""What went well holds no secrets either: bundles, records and every report of a real run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from zoo_cases import located

from conformance.execution.child import ForkedChildren, SpawnedChildren
from conformance.execution.contract import Spec
from conformance.execution.inline import Inline
from conformance.redaction import hide_secrets_in
from conformance.suite import items
from conformance.zoo import ZooError, read_zoo

#: Unlike any token: only the variable's name says that it is one.
TOKEN = "correct-battery-staple"
PASSWORD = "correct-horse"
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHONPATH = os.pathsep.join(map(os.fspath, (ROOT, HERE, HERE.parent)))

ENTRY = """
  - id: {id}
    framework: leaking_adapters:{adapter}
    source:
      factory: miniatures:unused
      args: {{url: "https://anna:{password}@example.org", say: "{token}", api_key: plain-words}}
    exporters: [mini]
    opsets: [18]
    inputs: {{spec: {{x: {{shape: [batch, 3]}}}}, sets: [{{batch: 4}}, {{batch: 7}}]}}
    tolerance: {{rtol: 0.01, reason: "declared by {token}"}}
    mutation: {{max_missed_rate: 1.0, reason: "declared by {token}"}}
    {more}
"""
EXPECT = (
    'expect: {stage: load, reason: "known to TOKEN", link: "https://anna:PASSWORD@example.org"}'
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run of models that tell secrets, by a command that holds one."""
    place = tmp_path_factory.mktemp("run")
    for module in (HERE / "leaking_adapters.py", HERE.parent / "miniatures.py"):
        shutil.copy(module, place)
    expect = EXPECT.replace("TOKEN", TOKEN).replace("PASSWORD", PASSWORD)
    models = (
        ("careless", "Careless", ""),
        ("half", "HalfCareless", ""),
        ("known", "Leaking", expect),
    )
    filled = [
        ENTRY.format(id=name, adapter=adapter, more=more, token=TOKEN, password=PASSWORD)
        for name, adapter, more in models
    ]
    (place / "zoo.yaml").write_text("models:" + "".join(filled))
    (place / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "--zoo", "zoo.yaml", "-p", f"no:{TOKEN}"]
    command += ["--zoo-mutate", "2", "--junitxml", "junit.xml", "-p", "no:cacheprovider"]
    command += ["--zoo-cache-dir", "cache", "-rA"]
    command += ["--alluredir", "allure"] if find_spec("allure_pytest") else []
    environment = {**os.environ, "HF_TOKEN": TOKEN, "PYTHONPATH": PYTHONPATH}
    # every plugin that is installed: Allure writes files, too
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_PLUGINS"):
        environment.pop(name, None)
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    return place, done


def written(place):
    """Every file that the run left, as bytes, but for the zoo, the adapters and their caches."""
    ours = {"zoo.yaml", "leaking_adapters.py", "miniatures.py", "pytest.ini"}
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.name not in ours and "__pycache__" not in path.parts
    }


def cases(place):
    """The cases of the report by their model."""
    report = json.loads((place / "reports" / "report.json").read_text())
    return {case["model"]: case for case in report["cases"]}


def test_the_secrets_were_told_where_they_were_planted(run):
    """Each of the texts below is there, without its secret: the adapters did tell them."""
    place, done = run
    assert done.returncode == 0, done.stdout + done.stderr
    found = cases(place)
    assert found["careless"]["export"]["fp64_unavailable"].endswith("for <$HF_TOKEN>")
    assert "https://example.org/model" in found["careless"]["export"]["fp64_unavailable"]
    assert found["half"]["export"]["fp64_unavailable"].startswith("the float64 copy cannot run")
    assert found["known"]["reason"].count("<$HF_TOKEN>")
    assert found["known"]["link"] == "https://example.org"
    assert "<$HF_TOKEN>" in json.dumps(found["careless"]["parity"])
    report = json.loads((place / "reports" / "report.json").read_text())
    assert "'no:<$HF_TOKEN>'" in report["run"]["command"]


def test_nothing_that_a_run_leaves_holds_a_secret_or_a_half_of_one(run):
    """Bundles, records, reports, the index, JUnit's and Allure's files, whatever their format."""
    place, _ = run
    files = written(place)
    kinds = {"bundle.json", "report.json", "index.html", "junit.xml"}
    assert kinds <= {name.rpartition("/")[2] for name in files}
    secrets = [TOKEN.encode(), TOKEN[:14].encode(), PASSWORD.encode(), b"plain-words"]
    assert not [name for name, data in files.items() if any(s in data for s in secrets)]


def test_nothing_that_a_run_says_holds_a_secret(run):
    """The table, the reasons and the summary at the terminal."""
    _, done = run
    said = done.stdout + done.stderr
    assert "expected-fail" in said
    assert TOKEN[:14] not in said
    assert PASSWORD not in said


def test_a_bundles_manifest_keeps_what_is_no_secret(run):
    """Arguments under honest names stay; those under a key such as api_key are named by it."""
    place, _ = run
    manifests = [json.loads(p.read_text()) for p in (place / "cache").rglob("bundle.json")]
    args = [manifest["case"]["entry"]["source"]["args"] for manifest in manifests]
    told = {"url": "https://example.org", "say": "<$HF_TOKEN>", "api_key": "<api_key>"}
    assert args == [told, told]
    rejected = [p["source_rejects"] for m in manifests for p in m["probes"] if p["source_rejects"]]
    assert rejected
    assert all(text.startswith("RuntimeError: rejected...") for text in rejected)


def test_the_command_that_repeats_a_test_holds_no_secret(tmp_path, monkeypatch):
    """Though the zoo's folder is named like one."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    zoo = tmp_path / TOKEN / "zoo.yaml"
    commands = [ref.repro for ref in items.test_refs(located("Honest"), zoo, tmp_path)]
    assert len(commands) == 3
    assert all("'<$HF_TOKEN>/zoo.yaml'" in command for command in commands)
    assert TOKEN not in "".join(commands)


def test_a_zoos_problem_holds_no_secret_and_no_half_of_one(tmp_path, monkeypatch):
    """A value is quoted up to a length: the token is taken out before it is cut."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(f"models: []\n{'x' * 50}{TOKEN}: 1\n")
    with pytest.raises(ZooError) as error:
        read_zoo([zoo], {})
    assert "x<$HF_TOK" in str(error.value)
    assert TOKEN[:8] not in str(error.value)


@pytest.mark.parametrize("kind", [ForkedChildren, SpawnedChildren, Inline])
def test_a_result_leaves_its_process_without_secrets(tmp_path, monkeypatch, kind):
    """At any depth, however the process was run; figures stay what they are."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.syspath_prepend(HERE)
    executor = kind({"PYTHONPATH": PYTHONPATH})
    spec = Spec(
        target="leaking_adapters:leak_in_its_result",
        payload={},
        workdir=tmp_path,
        progress=tmp_path / "progress.json",
        timeout_s=60,
    )
    try:
        value = executor.run(spec).value
    finally:
        executor.close()
    told = "401 for <$HF_TOKEN> at https://example.org/model"
    assert value == {"parity": {"outputs": [{"problem": told}]}, "n": [1.5, None]}


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        *[("api_key", True), ("apikey", True), ("password", True), ("hf_token", True)],
        *[("token", True), ("client_secret", True), ("DB_PASSWORD", True), ("auth_token", True)],
        *[("pad_token", False), ("tokenizer", False), ("token_type_ids", False)],
        *[("secretary", False), ("keys", False), ("bos_token", False)],
    ],
)
def test_a_key_tells_a_secret_from_a_word(key, secret):
    """Whatever its value looks like; a tokenizer's tokens are no secrets."""
    assert hide_secrets_in({key: "plain"}) == {key: f"<{key}>" if secret else "plain"}
