from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_states_the_behaviour_it_proves():
    """A test without a docstring does not say what breaks when it fails."""
    silent = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_ci_runs_the_readmes_test_command():
    """What the README tells a newcomer is what continuous integration proves."""
    readme = (ROOT / "README.md").read_text()
    first_screen = readme.split("## Why")[0]
    commands = [line.split("   ")[0] for line in first_screen.splitlines() if "-m venv" in line]
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands[0] in (ROOT / ".github" / "workflows" / "nightly.yml").read_text()


def test_actions_are_pinned_by_commit():
    """A tag can be moved; a commit can't."""
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text()
        for use in re.findall(r"uses: (\S+)", text):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", use), f"{workflow.name}: {use}"
        assert "permissions: {}" in text


def test_neither_help_nor_collecting_the_zoo_imports_a_framework(every_plugin):
    """Looking is cheap: what is heavy is loaded by the children that need it."""
    import subprocess
    import sys

    code = (
        "import sys, pytest, conformance.cli\n"
        "try: conformance.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert pytest.main(['--zoo', 'model_zoo.yaml', '--co', '-q', '-p', 'no:xdist']) == 0\n"
        "heavy = {'torch', 'tensorflow', 'keras', 'tf2onnx', 'transformers', 'sklearn',\n"
        "         'skl2onnx', 'onnx', 'onnxruntime', 'duckdb', 'jinja2'}\n"
        "print('LOADED', sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_the_zoo_is_as_large_and_as_mixed_as_promised():
    """At least 45 models of four frameworks, three at full size, and the known failures as data."""
    from collections import Counter

    from conformance.adapters import catalog
    from conformance.zoo import read_zoo

    entries = [e.entry for e in read_zoo([ROOT / "model_zoo.yaml"], catalog()).entries]
    counts = Counter(entry.framework for entry in entries)
    assert counts.keys() == {"sklearn", "pytorch", "tensorflow", "transformers"}
    assert counts["sklearn"] >= 12
    assert len(entries) >= 45
    full = {entry.id for entry in entries if "full" in entry.tags}
    assert {"bert-base", "gpt2", "resnet-50"} <= full
    assert any(entry.expect for entry in entries)
