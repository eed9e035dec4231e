"""Write the table of docs/architectures.md from a run's report.

pytest --zoo zoos/architectures.yaml --zoo-report reports-architectures
python zoos/tabulate.py reports-architectures/report.json > docs/architectures.md
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_GLYPHS = {"pass": "✓", "expected-fail": "≈"}
_HEAD = """\
# Architectures of Hugging Face Transformers

[zoos/architectures.yaml](../zoos/architectures.yaml) holds one entry per architecture, tiny by
config and with seeded weights, through `transformers.exporters`. This page is written from the
reports of runs by `python zoos/tabulate.py REPORT.json... > docs/architectures.md`; nothing in it
is written by hand. `≈` is a known failure; the zoo says which, and why.

"""
_TABLE = """
| | case | task | exporter | nodes | worst error / limit | texts equal |
|---|---|---|---|---|---|---|
"""


def page(reports: list[dict[str, Any]]) -> str:
    """The whole page.

    Args:
        reports: one ``report.json`` or several; of a case in two of them, the later counts.
    """
    found = {case["id"]: case for report in reports for case in report["cases"]}
    cases = sorted(found.values(), key=lambda case: case["id"])
    counts = Counter(case["verdict"] for case in cases)
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    versions = reports[-1]["run"]["versions"]
    used = ", ".join(
        f"{name} {versions[name]}"
        for name in ("transformers", "torch", "onnxscript", "onnx", "onnxruntime")
        if name in versions
    )
    rows = "".join(_row(case) for case in cases)
    known = [case for case in cases if case["verdict"] == "expected-fail"]
    failures = "".join(
        f"- **{case['model']}** fails at {case['stage']}: {case['reason']}\n" for case in known
    )
    told = f"\n## Known failures\n\n{failures}" if known else ""
    return f"{_HEAD}{len(cases)} cases: {verdicts}. With {used}.\n{_TABLE}{rows}{told}"


def _row(case: dict[str, Any]) -> str:
    export, parity = case["export"], case["parity"]
    shown = [
        _GLYPHS.get(case["verdict"], case["verdict"]),
        f"`{case['model']}`",
        case["task"] or "",
        case["exporter"],
        str(export["nodes"]) if export else "",
        _worst(parity),
        _texts(parity),
    ]
    return f"| {' | '.join(shown)} |\n"


def _worst(parity: dict[str, Any] | None) -> str:
    if parity is None:
        return ""
    parts = [parity, *parity["components"]]
    ratios = [output["ratio"] for part in parts for output in part["outputs"]]
    return f"{max(ratio or 0.0 for ratio in ratios):.2f}" if ratios else ""


def _texts(parity: dict[str, Any] | None) -> str:
    decisions = parity["decisions"] if parity else []
    texts = [one for one in decisions if one["kind"] == "generated texts"]
    return f"{texts[0]['agreed']} of {texts[0]['total']}" if texts else ""


if __name__ == "__main__":
    sys.stdout.write(page([json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]))
