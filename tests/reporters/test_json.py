import json
from dataclasses import fields, replace
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from sample_evidence import every_finding, generator
from sample_gate import STOPPED
from sample_report import HOSTILE, LOGITS, every_verdict, make_report, make_row

from conformance.errors import HistoryError
from conformance.evidence import (
    BaselineLatency,
    ComponentParity,
    DecisionParity,
    Derivation,
    Divergence,
    ErrorStep,
    Explanation,
    ExportResult,
    Generalization,
    Guilty,
    LatencyResult,
    Mutant,
    MutantFate,
    MutationReport,
    OpsetConversion,
    OutputParity,
    PaddingCheck,
    ParityReport,
    Ratio,
    ReducedModel,
    ShapeOutcome,
    ShapeProbe,
    Worst,
)
from conformance.gate_result import GateFinding, GateResult, Rule, RuleCheck
from conformance.history import RunWriter, read_run
from conformance.model import (
    SCHEMA_VERSION,
    CaseResult,
    Record,
    RunFooter,
    RunHeader,
    RunPlan,
    Stage,
    TestKind,
    TestRef,
    TrendPoint,
    Verdict,
)
from conformance.reporters import report_json, write_reports


def schema(name):
    return json.loads(files("conformance").joinpath("schemas", name).read_text(encoding="utf-8"))


REPORT, RECORD = schema("report.schema.json"), schema("record.schema.json")
REGISTRY = Registry().with_resource(REPORT["$id"], Resource.from_contents(REPORT))
VALID_REPORT = Draft202012Validator(REPORT)
VALID_RECORD = Draft202012Validator(RECORD, registry=REGISTRY)


@pytest.mark.parametrize("document", [REPORT, RECORD], ids=["report", "record"])
def test_the_schemas_are_schemas(document):
    """Both published schemas are valid draft 2020-12."""
    Draft202012Validator.check_schema(document)


@pytest.mark.parametrize(
    "report",
    [
        make_report(),
        make_report([], runs=0),
        make_report(status="interrupted", vanished=("a", "b")),
        make_report(status="crashed"),
        make_report(every_finding()),
        make_report([generator()]),
        make_report(gate=STOPPED),
        make_report([make_row(provider=None, task=None, tags=(), reason=HOSTILE)]),
    ],
    ids=[
        "every verdict",
        "empty",
        "interrupted",
        "crashed",
        "every finding",
        "generator",
        "gate",
        "hostile",
    ],
)
def test_the_written_file_validates(report, tmp_path):
    """Whatever a run found, its report.json follows the published schema."""
    write_reports(report, tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    VALID_REPORT.validate(data)
    assert data["schema_version"] == SCHEMA_VERSION
    assert len(data["cases"]) == len(report.cases)


def test_figures_that_are_not_finite_are_null():
    """Infinity and NaN have no JSON: the report says null and stays readable everywhere."""
    output = replace(LOGITS, ratio=float("inf"), snr_db=float("nan"))
    data = report_json(make_report([make_row(parity=ParityReport((output,), 1))]))
    VALID_REPORT.validate(data)
    (shown,) = data["cases"][0]["parity"]["outputs"]
    assert (shown["ratio"], shown["snr_db"]) == (None, None)
    json.dumps(data, allow_nan=False)


def test_totals_name_every_verdict():
    """Seven verdicts, zeros included, that add up to the cases."""
    data = report_json(make_report(every_verdict()[:2]))
    assert data["totals"] == {verdict.value: 0 for verdict in Verdict} | {"pass": 2}


def test_the_report_names_what_readers_rely_on():
    """Run, cases and trend carry the names that other programs read."""
    data = report_json(make_report(vanished=("gone",)))
    assert data["run"]["status"] == "finished"
    assert data["run"]["id"] == "20261121T092349Z-3f2a"
    case = data["cases"][0]
    assert case["latency"]["median_ns"] == 1_230_000
    assert case["parity"]["outputs"][0]["limit"] == 4.9e-6
    assert len(case["trend"]) == 12
    assert data["vanished"] == ["gone"]


def test_a_run_without_footer_is_crashed():
    """A run that never ended says so and has no end."""
    run = report_json(make_report(status="crashed"))["run"]
    assert (run["status"], run["finished"]) == ("crashed", None)


#: What older files lack, by definition: keys that may be missing.
LATER = {
    "header": {"division", "baseline"},
    "report": {"gate"},
    "plan": {"deselected", "selected_by"},
    "run": {"selection"},
    "footer": {"gate"},
    "case": {
        "mutation",
        "explanation",
        "failure_folder",
        "trusted",
        "place",
        "runtime",
        "provider_options",
    },
    "record": {"mutation", "explanation", "failure_folder", "runtime", "provider_options"},
    "parity": {"decisions", "generalization", "components"},
    "decision": {"blind"},
    "output": {"constant", "noise_sets", "set_aside"},
    "latency": {
        *("speedup", "yardstick", "yardstick_name", "hardware", "session_peak_bytes"),
        *("contended", "unstable", "baseline", "samples_ns", "software", "measured_in"),
        "provider_options",
    },
    "export": {
        "bundle",
        "model_digest",
        "derivation",
        "exported_by",
        "fallback",
        "opset_conversion",
    },
    "trend_point": {"yardsticks", "hardware"},
}


@pytest.mark.parametrize(
    ("definition", "kind", "differs"),
    [
        ("case", CaseResult, {"details", "trend"}),
        ("gate", GateResult, set()),
        ("gate_check", RuleCheck, set()),
        ("gate_finding", GateFinding, set()),
        ("parity", ParityReport, set()),
        ("output", OutputParity, set()),
        ("worst", Worst, set()),
        ("decision", DecisionParity, set()),
        ("component", ComponentParity, set()),
        ("generalization", Generalization, set()),
        ("shape_probe", ShapeProbe, set()),
        ("padding_check", PaddingCheck, set()),
        ("mutation", MutationReport, set()),
        ("mutant", Mutant, set()),
        ("explanation", Explanation, set()),
        ("error_step", ErrorStep, set()),
        ("divergence", Divergence, set()),
        ("reduced_model", ReducedModel, set()),
        ("latency", LatencyResult, set()),
        ("baseline_latency", BaselineLatency, set()),
        ("ratio", Ratio, set()),
        ("export", ExportResult, set()),
        ("derivation", Derivation, set()),
        ("opset_conversion", OpsetConversion, set()),
        ("trend_point", TrendPoint, set()),
    ],
)
def test_the_schema_keeps_up_with_the_values(definition, kind, differs):
    """Every field of a value is in the schema and, unless it came later, required."""
    stated = REPORT["$defs"][definition]
    names = {field.name for field in fields(kind)}
    later = LATER.get(definition, set())
    assert stated["properties"].keys() ^ names == differs
    assert set(stated["required"]) == stated["properties"].keys() - later
    assert stated["additionalProperties"] is False


@pytest.mark.parametrize(
    ("definition", "name", "enum"),
    [
        ("shape_probe", "outcome", ShapeOutcome),
        ("mutant", "fate", MutantFate),
        ("explanation", "guilty", Guilty),
    ],
)
def test_the_schema_keeps_up_with_the_sets_of_evidence(definition, name, enum):
    """The schema's outcomes, fates and culprits are exactly the evidence's."""
    stated = REPORT["$defs"][definition]["properties"][name]["enum"]
    assert [value for value in stated if value is not None] == [member.value for member in enum]


def without_later(value):
    """A document as versions before the new evidence wrote it."""
    later = set().union(*LATER.values())
    if isinstance(value, dict):
        return {key: without_later(item) for key, item in value.items() if key not in later}
    return [without_later(item) for item in value] if isinstance(value, list) else value


def test_an_older_report_still_validates():
    """The format has the same version: what was published before is still what it says."""
    older = without_later(report_json(make_report()))
    assert "mutation" not in older["cases"][0]
    VALID_REPORT.validate(older)


@pytest.mark.parametrize(
    ("name", "enum"), [("verdict", Verdict), ("stage", Stage), ("gate_rule", Rule)]
)
def test_the_schema_keeps_up_with_the_closed_sets(name, enum):
    """The schema's verdicts, stages and rules are exactly the model's."""
    assert REPORT["$defs"][name]["enum"] == [member.value for member in enum]


def test_each_line_of_a_run_validates(tmp_path):
    """Header, plan, records and footer follow the published schema of a line."""
    report = make_report()
    row = report.cases[0]
    shared = ("model", "framework", "task", "tags", "exporter", "opset", "variant", "provider")
    ref = TestRef(
        test=TestKind.LATENCY,
        id=row.id,
        case="case",
        repro=row.repro,
        **{name: getattr(row, name) for name in shared},
    )
    measured = {name: getattr(row, name) for name in ("export", "parity", "latency", "placement")}
    found = {
        name: next(value for r in every_finding() if (value := getattr(r, name)) is not None)
        for name in ("parity", "mutation", "explanation", "failure_folder")
    }
    writer = RunWriter(tmp_path, report.header)
    writer.plan(RunPlan((ref,)))
    writer.append(Record(ref, Verdict.PASS, Stage.LATENCY, None, "2026", 1.0, **measured))
    writer.append(Record(ref, Verdict.FAIL, Stage.LATENCY, HOSTILE, "2026", 1.0, details=HOSTILE))
    writer.append(Record(ref, Verdict.FAIL, Stage.PARITY, "x", "2026", 1.0, **found))
    writer.close(RunFooter("2026", "finished", 1, STOPPED))
    (path,) = (tmp_path / "runs").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        VALID_RECORD.validate(line)
    assert [line["kind"] for line in lines] == ["header", "plan", *["record"] * 3, "footer"]
    VALID_RECORD.validate(without_later(lines[4]))
    VALID_RECORD.validate(without_later(lines[5]))
    assert read_run(path).footer.gate == STOPPED
    assert read_run(path).records[2].explanation == found["explanation"]
    assert not VALID_RECORD.is_valid(lines[2] | {"verdict": "maybe"})


def test_the_record_schema_keeps_up_with_the_values():
    """Every field of a line's value is in the schema; beside them only what tells lines apart."""
    for name, kind in {
        "header": RunHeader,
        "plan": RunPlan,
        "record": Record,
        "footer": RunFooter,
    }.items():
        names = {field.name for field in fields(kind)}
        assert RECORD["$defs"][name]["properties"].keys() - names <= {"kind", "schema_version"}
        required = set(RECORD["$defs"][name]["required"])
        assert names - required == LATER.get(name, set())


def test_a_failed_write_leaves_nothing_half_written(tmp_path):
    """A report that cannot be put in place raises and leaves no rubbish beside the others."""
    (tmp_path / "index.html").mkdir()
    with pytest.raises(HistoryError, match=r"index\.html cannot be written .*conformance report"):
        write_reports(make_report([]), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "report.json"]
    VALID_REPORT.validate(json.loads((tmp_path / "report.json").read_text()))


def test_reports_are_for_everyone(tmp_path):
    """The files are readable by others, such as the server that publishes them."""
    write_reports(make_report([]), tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
