"""What Allure is told where its plugin is active: labels, attachments, categories, environment.

Allure 2 reads ``categories.json`` among the results, Allure 3 its configuration: both are
written. History over the runs is Allure 3's own, in a file that the configuration names.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.history.folder import warn
from conformance.model import Record, RunHeader, Stage, Verdict, to_json
from conformance.reporters.inert import inert_line

#: The packages of which everybody asks the version first.
_TELLING = ("onnx", "onnxruntime", "torch", "transformers", "tensorflow", "scikit-learn")
_FACTS = ("python", "system", "cpu", "cores", "hardware_class")
_ESCAPED = re.compile(r"[\\:=#! ]")
#: How Allure calls the outcome of a test: ``broken`` is trouble that says nothing of the model.
_STATUSES = {
    Verdict.FAIL: ("failed",),
    Verdict.VACUOUS: ("failed",),
    Verdict.UNEXPECTED_PASS: ("failed",),
    Verdict.INFRA_ERROR: ("broken",),
    Verdict.EXPECTED_FAIL: ("skipped",),
    Verdict.NOT_RUN: ("skipped",),
}


def describe(record: Record) -> None:
    """Describe the running test to Allure; does nothing unless ``allure-pytest`` is loaded."""
    if "allure_pytest" not in sys.modules:
        return
    import allure

    ref = record.ref
    allure.dynamic.title(f"{ref.test} of {ref.id}")
    for name in ("framework", "model", "exporter", "opset", "variant", "provider"):
        allure.dynamic.parameter(name, getattr(ref, name))
    allure.dynamic.tag(*ref.tags, *([ref.task] if ref.task else []))
    allure.dynamic.parent_suite(ref.framework)
    allure.dynamic.suite(ref.model)
    allure.dynamic.sub_suite(str(ref.test))
    allure.dynamic.label("verdict", str(record.verdict))
    allure.dynamic.label("stage", str(record.stage))
    if record.link:
        allure.dynamic.issue(record.link)
    allure.attach(
        json.dumps(to_json(record), indent=1),
        name="record.json",
        attachment_type=allure.attachment_type.JSON,
    )


def complete_results(config: pytest.Config, header: RunHeader, report_dir: Path) -> None:
    """Put beside a run's Allure results what concerns them all; nothing without ``--alluredir``.

    ``categories.json`` and ``environment.properties`` go to the results, and ``allurerc.json``,
    a configuration for Allure 3 with the same categories and a history, to the report folder.
    What cannot be written is a warning: the tests' own results are there.
    """
    named = getattr(config.option, "allure_report_dir", None)
    if not named:
        return
    results = config.invocation_params.dir / named
    try:
        results.mkdir(parents=True, exist_ok=True)
        _write(results / "categories.json", categories_of_allure_2())
        (results / "environment.properties").write_text(
            environment_properties(header), encoding="utf-8"
        )
        _write(report_dir / "allurerc.json", _configuration(report_dir))
    except OSError as error:
        warn(f"{error.filename} was not written for Allure ({error.strerror})")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _configuration(report_dir: Path) -> dict[str, Any]:
    return {
        "name": "ONNX conformance",
        "historyPath": str(report_dir / "allure-history.jsonl"),
        "categories": [
            {
                "name": name,
                "matchers": {"statuses": list(_STATUSES[verdict]), "labels": labels},
                "groupBy": [{"label": "parentSuite"}],
            }
            for name, verdict, labels in _categories()
        ],
        "plugins": {"awesome": {"options": {"groupBy": ["parentSuite", "suite", "subSuite"]}}},
    }


def _categories() -> list[tuple[str, Verdict, dict[str, str]]]:
    """Name, verdict and the labels of its tests: failures by stage, the rest by verdict."""
    failures = [
        (f"fails at {stage}", Verdict.FAIL, {"verdict": str(Verdict.FAIL), "stage": str(stage)})
        for stage in Stage
    ]
    others = [verdict for verdict in _STATUSES if verdict is not Verdict.FAIL]
    return failures + [(str(verdict), verdict, {"verdict": str(verdict)}) for verdict in others]


def categories_of_allure_2() -> list[dict[str, Any]]:
    """It knows no labels: a failure tells verdict and stage in the first line of its trace."""
    return [
        {
            "name": name,
            "matchedStatuses": list(_STATUSES[verdict]),
            "traceRegex": rf"\S+ \S+: {verdict} at {labels.get('stage', '')}[\s\S]*",
        }
        for name, verdict, labels in _categories()
        if verdict.fails_gate
    ]


def environment_properties(header: RunHeader) -> str:
    """The run's surroundings in the form of Java's properties."""
    facts: dict[str, object] = {
        "run": header.id,
        "commit": header.commit or "unknown",
        "zoo": " ".join(header.zoos),
        "seed": header.seed,
    }
    facts |= {name: header.machine[name] for name in _FACTS if name in header.machine}
    facts |= {name: header.versions[name] for name in _TELLING if name in header.versions}
    return "".join(f"{_property(name)} = {_value(value)}\n" for name, value in facts.items())


def _property(name: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", name)


def _value(value: object) -> str:
    return inert_line(str(value)).replace("\\", "\\\\")
