"""Write docs/breadth.md from runs of the breadth zoos.

python docs/write_breadth.py REPORT_DIR...: folders with a ``report.json`` each, one per zoo, in the
order of the page.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).with_name("breadth.md")
_INTRO = """\
# Breadth

What is proven beyond `model_zoo.yaml`, zoo by zoo. A case is a model under one exporter. What does
not convert, or converts wrongly, stands in the zoo as a known failure with its stage and its
reason: the run fails on the day that it fails otherwise, or passes.

Written by `python docs/write_breadth.py REPORT_DIR...` from the reports of real runs
(`tox -e breadth` makes them); do not edit.
"""
#: Distributions whose versions decide what a zoo finds, by framework.
_VERSIONS = {
    "sklearn": ("scikit-learn", "skl2onnx"),
    "pytorch": ("torch", "onnxscript"),
    "tensorflow": ("tensorflow", "keras", "tf2onnx"),
}
#: What its figures do not say by themselves, by zoo.
_NOTES = {
    "zoos/keras.yaml": (
        "Run with `TF_ENABLE_ONEDNN_OPTS=0`. What acts in training only (`augmentation`,\n"
        "`regularization`) passes its input on at inference: its ONNX model is one Identity, and\n"
        "nothing else is proven of it."
    )
}


def page(reports: Sequence[Mapping[str, Any]]) -> str:
    """The page of some runs.

    Args:
        reports: as ``report.json`` has them, each of a run of one zoo.
    """
    total = [
        "",
        "| zoo | models | cases | pass | known failures |",
        "| --- | --- | --- | --- | --- |",
    ]
    for report in reports:
        verdicts = Counter(case["verdict"] for case in report["cases"])
        models = len({case["model"] for case in report["cases"]})
        passed, known = verdicts["pass"], verdicts["expected-fail"]
        rest = f", {other} other" if (other := verdicts.total() - passed - known) else ""
        zoo = _zoo(report)
        total.append(f"| `{zoo}` | {models} | {verdicts.total()} | {passed} | {known}{rest} |")
    sections = [line for report in reports for line in _section(report)]
    return "\n".join([_INTRO.rstrip(), *total, *sections]) + "\n"


def _zoo(report: Mapping[str, Any]) -> str:
    file = Path(report["run"]["zoos"][0])
    return f"{file.parent.name}/{file.name}"


def _section(report: Mapping[str, Any]) -> Iterator[str]:
    versions = report["run"]["versions"]
    names = (*_VERSIONS[report["cases"][0]["framework"]], "onnx", "onnxruntime")
    shown = [f"{name} {versions[name]}" for name in names]
    yield from ("", f"## {_zoo(report)}", "", f"With {', '.join(shown)}.")
    if note := _NOTES.get(_zoo(report)):
        yield from ("", note)
    yield from ("", "| group | pass | known failures |", "| --- | --- | --- |")
    groups: dict[str, Counter[str]] = {}
    for case in report["cases"]:
        groups.setdefault(case["tags"][0], Counter())[case["verdict"]] += 1
    for name, verdicts in sorted(groups.items()):
        yield f"| {name} | {verdicts['pass']} | {verdicts['expected-fail']} |"
    failing = [case for case in report["cases"] if case["verdict"] == "expected-fail"]
    if failing:
        yield from ("", "Known failures:", "")
        yield from ("| model | exporter | stage | why | seen |", "| --- | --- | --- | --- | --- |")
        for case in sorted(failing, key=lambda case: (case["model"], case["exporter"])):
            yield _row(case)


def _row(case: Mapping[str, Any]) -> str:
    why = _cell(case["reason"])
    if case["link"]:
        why += f" ([link]({case['link']}))"
    cells = (case["model"], case["exporter"], case["stage"], why, _cell(_seen(case)))
    return f"| {' | '.join(cells)} |"


def _seen(case: Mapping[str, Any]) -> str:
    """By how much an output is wrong: times its limit, where there is such a figure."""
    wrong = [one for one in (case["parity"] or {}).get("outputs", []) if one["problem"]]
    ratios = [one["ratio"] for one in wrong if one["ratio"] is not None]
    if ratios:
        return f"{max(ratios):.3g} x its limit"
    return wrong[0]["problem"].partition(": expected")[0] if wrong else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    read = [json.loads((Path(folder) / "report.json").read_text()) for folder in sys.argv[1:]]
    _PAGE.write_text(page(read), encoding="utf-8")
