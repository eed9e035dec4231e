"""``REPRO.md``: a failure for the person who receives its folder and has never seen this tool."""

from __future__ import annotations

import re
from collections.abc import Mapping

from conformance.evidence import Explanation
from conformance.failures.randomize import Randomized
from conformance.model import Record, Stage

#: What a reader of a bug report asks for first.
_ASKED_FOR = (
    *("numpy", "onnx", "onnxruntime", "onnxscript", "torch", "transformers", "tensorflow"),
    *("keras", "tf2onnx", "scikit-learn", "skl2onnx"),
)
#: Error texts are lines of code in a terminal; a fence of this length survives them.
_FENCE = "~~~~"
_MEGABYTE = 1_000_000

HOW_TO_RUN = """\
```sh
python repro.py
```

It needs `onnxruntime` (or a wheel of it for another provider) and `numpy`, nothing else.
Exit code 0: the failure is gone. 1: it shows. 2: the script cannot tell, and says why.
Any other code, or death by a signal: ONNX Runtime's process ended by itself.
"""

NO_MODEL = """\
There is no ONNX model: the case failed before one was complete. `provenance.json` has the zoo's
entry; in the zoo's repository, this repeats the test:
"""

NOT_JUDGED = """\
This failure is not one that a comparison of numbers shows, so the script only runs the model and
exits with 2 when every number is within its limit.
"""

HOW_TO_JUDGE = """\
With `pytest-onnx-conformance` installed, and no framework, `conformance replay .` judges the
bundle by its own tolerance and guards.
"""


def repro_text(
    record: Record, versions: Mapping[str, str], *, judged: bool | None, reduced: bool
) -> str:
    """The text of ``REPRO.md``.

    Args:
        record: how the test ended.
        versions: of the distributions that were installed, by name.
        judged: whether the script can judge the failure; None when there is no model to run.
        reduced: whether there is a reduced model.
    """
    ref = record.ref
    parts = [
        f"# {ref.id}\n",
        f"The {ref.test} test is `{record.verdict}` at stage `{record.stage}`:\n",
        _block(record.reason or "no reason was given"),
    ]
    if judged is not None:
        parts += ["## Run it\n", HOW_TO_RUN]
        if not judged:
            parts.append(NOT_JUDGED)
        if record.stage is Stage.SESSION:
            parts.append("The failure is that the model is refused, or that its run fails.\n")
        if reduced:
            parts.append("`python repro.py reduced` runs the smallest part that still shows it.\n")
        parts.append(HOW_TO_JUDGE)
    else:
        parts += ["## Run it\n", NO_MODEL, _block(ref.repro)]
    if record.explanation is not None:
        parts += _explained(record.explanation)
    parts += ["## Made with\n", _facts(record, versions)]
    if record.details:
        parts.append("The whole error text is in `error.txt`.\n")
    if judged is not None:
        parts.append(
            "If the weights must stay private, `conformance pack FOLDER --randomize-weights` makes "
            "an archive with others, if the failure survives that.\n"
        )
    return "\n".join(parts)


def _explained(explanation: Explanation) -> list[str]:
    lines = [f"{explanation.summary}\n"]
    lines += [
        f"- {step.name}: {'not computed' if step.error is None else f'error {step.error:.3g}'}"
        + (f" ({step.note})" if step.note else "")
        for step in explanation.steps
    ]
    found = explanation.divergence
    if found is not None:
        part = "originates the error" if found.originates else "passes an error on"
        where = f", from {found.location}" if found.location else ""
        lines.append(
            f"\nFirst node that differs: `{found.node}` ({found.op_type}); it {part}{where}."
        )
    return ["## Where it comes from\n", "\n".join(lines) + "\n"]


def _facts(record: Record, versions: Mapping[str, str]) -> str:
    ref = record.ref
    converted = record.export.opset_conversion if record.export else None
    facts = {
        "framework": ref.framework,
        "exporter": f"{ref.exporter}, opset {ref.opset}, {ref.variant}",
        "opset": converted.text if converted else None,
        "provider": ref.provider,
    } | {name: versions[name] for name in _ASKED_FOR if name in versions}
    return "".join(f"- {name}: {value}\n" for name, value in facts.items() if value is not None)


def _block(text: str) -> str:
    """The text as a block that no text can end early."""
    longest = max((len(fence) for fence in re.findall(r"~+", text)), default=0)
    fence = _FENCE if longest < len(_FENCE) else "~" * (longest + 1)
    return f"{fence}\n{text}\n{fence}\n"


def size_text(size_bytes: int) -> str:
    """``12 kB``, ``3.4 MB``."""
    if size_bytes < _MEGABYTE:
        return f"{size_bytes / 1e3:.0f} kB"
    return f"{size_bytes / _MEGABYTE:.1f} MB"


def packed_text(case: str, versions: Mapping[str, str]) -> str:
    """``REPRO.md`` of a bundle that was packed without a failure."""
    made = "".join(f"- {name}: {versions[name]}\n" for name in _ASKED_FOR if name in versions)
    parts = [
        f"# {case}\n",
        "A model with inputs and the outputs of its source, packed as it is.\n",
        "## Run it\n",
        HOW_TO_RUN,
        HOW_TO_JUDGE,
        "## Made with\n",
        made,
    ]
    return "\n".join(parts)


def randomized_text(case: str, weights: Randomized, seed: int, problems: tuple[str, str]) -> str:
    """``REPRO.md`` of a failure whose weights were replaced.

    Args:
        case: id of the failing test.
        weights: what was replaced.
        seed: of the random weights.
        problems: the failure with the model's own weights, and with these.
    """
    before, after = problems
    about = (
        f"The model's weights are random numbers (seed {seed}). Float tensors replaced: "
        f"{weights.replaced}; left as they are: {weights.kept} without spread, "
        f"{len(weights.not_floats)} of other types. Expected outputs are an exact evaluation of "
        "this very file; no framework took part. The failure is:\n"
    )
    parts = [
        f"# {case}, with random weights\n",
        about,
        _block(after),
        "With the model's own weights it was:\n",
        _block(before),
        "## Run it\n",
        HOW_TO_RUN,
    ]
    return "\n".join(parts)
