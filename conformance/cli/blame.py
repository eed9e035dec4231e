"""``conformance blame``: which side moved when a case turned red or slow."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import one_line, refuse

if TYPE_CHECKING:
    from conformance.blame import Attribution, Evidence


def add_blame(commands: Any) -> None:
    """Add ``blame``."""
    blame = commands.add_parser(
        "blame",
        help="say which side moved when a case turned red or slow",
        description="Finds the two neighbouring runs between which a case turned red or slow,\n"
        "compares their models node by node and what was installed, replays both models\n"
        "under the present ONNX Runtime, and says which side moved: the converter, the\n"
        "runtime, the machine or the source's answers. Needs no framework.",
        epilog="examples:\n"
        "  conformance blame pytorch/digits-cnn@dynamo-op18-fp32-cpu\n"
        "  conformance blame digits-cnn --from latest~7 --environments\n\n"
        "exit code: 0 when the side is named, 1 when it cannot be told,\n"
        "           2 for wrong usage: no such case or run, one that turned neither red nor slow",
    )
    blame.add_argument("case", metavar="CASE", help="id of a row, key of a case, or model")
    blame.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the report folder with the history (default: reports)",
    )
    blame.add_argument("--from", dest="first", metavar="RUN", help="earliest run to look at")
    blame.add_argument(
        "--to",
        dest="last",
        metavar="RUN",
        help="latest run to look at; with --from too, these two are compared",
    )
    blame.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="where the bundles are (default: $CONFORMANCE_CACHE_DIR, or the user's cache folder)",
    )
    blame.add_argument(
        "--environments",
        action="store_true",
        help="replay in fresh virtual environments with the ONNX Runtime of either run",
    )
    blame.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for each installation and replay of --environments (default: 600)",
    )
    blame.add_argument("--json", type=Path, metavar="PATH", help="write all that was found")
    blame.set_defaults(run=_blame)


def _blame(arguments: argparse.Namespace) -> int:
    from conformance.blame import Side
    from conformance.errors import HistoryError, ProviderAbsent

    try:
        with warnings.catch_warnings(record=True) as caught:
            evidence, verdict = _found(arguments)
    except (HistoryError, ProviderAbsent) as error:
        return refuse(error)
    for warning in caught:
        print(f"conformance: warning: {one_line(warning.message)}", file=sys.stderr)
    if arguments.json is not None:
        try:
            arguments.json.write_text(_as_json(evidence, verdict), encoding="utf-8")
        except OSError as error:
            return refuse(f"{arguments.json} cannot be written: {error.strerror}")
    first, *others = _told(evidence, verdict)
    print(one_line(first))
    for line in others:
        print(f"  {one_line(line)}")
    return 1 if verdict.side is Side.UNKNOWN else 0


def _found(arguments: argparse.Namespace) -> tuple[Evidence, Attribution]:
    from conformance.adapters import catalog
    from conformance.blame import attribute, confirm, find_turn, gather
    from conformance.execution.child import children
    from conformance.locations import default_cache_dir
    from conformance.runtime import require_provider

    turn = find_turn(arguments.report, arguments.case, arguments.first, arguments.last)
    require_provider(turn.after.row.provider or "cpu")
    info = catalog().get(turn.after.row.framework)
    own = info.distributions if info else ()
    converters = frozenset({*own, "numpy", "onnx", "onnx-ir", "onnxscript", "scipy"})
    cache_dir = arguments.cache_dir or default_cache_dir()
    executor = children()
    try:
        evidence, old, new = gather(turn, cache_dir, executor, converters, _progress)
    finally:
        executor.close()
    if arguments.environments:
        evidence = confirm(evidence, old, new, arguments.timeout, _progress)
    return evidence, attribute(evidence)


def _progress(text: str) -> None:
    print(one_line(text), file=sys.stderr)


def _told(evidence: Evidence, verdict: Attribution) -> list[str]:
    turn = evidence.turn
    lines = [f"{turn.after.row.id}: {verdict.text}"]
    for name, sighting in (("before", turn.before), ("after", turn.after)):
        row, header = sighting.row, sighting.header
        reason = f": {row.reason}" if row.reason else ""
        lines.append(f"{name}  {header.id}  {row.verdict.glyph} {row.verdict}{reason}")
    lines += evidence.notes
    lines.append(_standing(evidence, verdict))
    return lines


def _standing(evidence: Evidence, verdict: Attribution) -> str:
    """How far the verdict can be trusted."""
    from conformance.blame import Side, Turned

    if verdict.confirmed:
        return "confirmed by replaying"
    runtime = evidence.runtime
    asked = evidence.elsewhere is not None or evidence.turn.turned is Turned.SLOW
    if verdict.side is Side.RUNTIME and runtime and not asked:
        return (
            "told by what differs, not confirmed: --environments replays under "
            f"{runtime.name} {runtime.before} and {runtime.after}"
        )
    return "told by what differs"


def _as_json(evidence: Evidence, verdict: Attribution) -> str:
    from conformance.model import SCHEMA_VERSION, to_json

    turn = evidence.turn
    sides = {
        name: {
            "run": sighting.header.id,
            "verdict": sighting.row.verdict,
            "reason": sighting.row.reason,
            "export": to_json(sighting.row.export) if sighting.row.export else None,
        }
        for name, sighting in (("before", turn.before), ("after", turn.after))
    }
    elsewhere = evidence.elsewhere or {}
    found = {
        "schema_version": SCHEMA_VERSION,
        "case": turn.after.row.id,
        "turned": turn.turned,
        **sides,
        "attribution": to_json(verdict),
        "graphs": to_json(evidence.graphs),
        "environment": to_json(evidence.environment),
        "replayed": {
            "onnxruntime": evidence.present,
            "old_red": evidence.old_red,
            "new_red": evidence.new_red,
        },
        "environments": [
            {"onnxruntime": version, "old_red": cells[0], "new_red": cells[1]}
            for version, cells in elsewhere.items()
        ],
        "notes": list(evidence.notes),
    }
    return json.dumps(found, indent=1) + "\n"
