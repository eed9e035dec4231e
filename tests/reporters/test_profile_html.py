from __future__ import annotations

from dataclasses import replace

import pytest
from sample_report import HOSTILE
from test_html import Page

from conformance.profiling import NodeTime, OperatorTime, Profile, Traced
from conformance.profiling.result import OutsideTime
from conformance.reporters.profile_html import node_chart, operator_chart, profile_html
from conformance.reporters.profile_text import render_profile

CPU = "CPUExecutionProvider"


def timed(name, share, **more):
    fields = {
        "node": name,
        "op_type": "MatMul",
        "provider": CPU,
        "inside": (),
        "calls": 1.0,
        "total_ns": int(share * 20_000_000),
        "median_ns": int(share * 1_000_000),
        "share": share,
        "outputs": ("float[2,3]",),
        "traced": Traced.SAME,
        "origins": (name,),
        "module": f"encoder.layer.0.{name}",
        "source": "model.py:41",
    }
    return NodeTime(**fields | more)


def sample(**more):
    """A run of a millisecond: a product, what a fused node is, and a stranger."""
    nodes = (
        timed("query", 0.5),
        timed("fused", 0.2, op_type="Gelu", traced=Traced.OUTPUTS, origins=("mul", "tanh")),
        timed("layout", 0.1, traced=Traced.UNKNOWN, origins=(), module=None, source=None),
        timed("step", 0.05, inside=("loop",), calls=0.25),
    )
    fields = {
        "case": "pytorch/net@dynamo-op18-fp32",
        "provider": "cpu",
        "threads": 1,
        "runs": 20,
        "warm_up_runs": 3,
        "onnxruntime": "1.31.1",
        "cpu": "AMD EPYC 7763",
        "inputs": ("x: float32[2,3]",),
        "inputs_from": "test_data_set_0",
        "total_ns": 20_000_000,
        "median_ns": 1_000_000,
        "fastest_ns": 1_020_000,
        "unprofiled_fastest_ns": 900_000,
        "outside": OutsideTime(3_000_000, 150_000, 0.15),
        "operators": (
            OperatorTime("MatMul", CPU, 3, 2.25, 13_000_000, 650_000, 0.65),
            OperatorTime("Gelu", CPU, 1, 1.0, 4_000_000, 200_000, 0.2),
        ),
        "nodes": nodes,
        "notes": ("1 of 4 nodes could not be traced",),
    }
    return Profile(**fields | more)


@pytest.fixture(scope="module")
def page():
    return Page(profile_html(sample(), 3))


@pytest.mark.parametrize(
    "text",
    [
        "pytorch/net@dynamo-op18-fp32",
        "1 ms a run in ONNX Runtime, 15% of it outside of kernels",
        "encoder.layer.0.query, model.py:41",
        "mul, tanh",
        "unknown",
        "loop > step",
        "1 of 4 nodes could not be traced",
        "outside of kernels",
        "1 more nodes",
        "50%, 500 µs",
    ],
)
def test_the_page_tells(page, text):
    """Every node with its module, what is outside of them, and what to be careful about."""
    assert text in page.text


def test_the_page_needs_nothing_else(page):
    """No script, no other file, no network: only its own style, by its digest."""
    assert not page.all("script")
    assert not page.all("link")
    assert not any({"src", "href", "style"} & set(attributes) for _, attributes in page.elements)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; style-src 'sha256-")


def test_the_charts_are_in_words_too(page):
    """Each has an alternative with all its figures; a pattern tells what is no kernel."""
    operators, nodes = (svg["aria-label"] for svg in page.all("svg"))
    assert "MatMul 65%; Gelu 20%; outside of kernels 15%" in operators
    assert "encoder.layer.0.query 50%" in nodes
    (hatched,) = (r for r in page.all("rect") if r.get("class") == "outside")
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert hatched["fill"].removeprefix("url(#").removesuffix(")") in ids
    assert all("scope" in heading for heading in page.all("th"))
    assert page.all("html", lang="en")
    assert page.open == []


def test_names_are_inert():
    """Whatever a model, a node or a note is called, nothing of it is markup or steers."""
    hostile = timed(HOSTILE, 0.5, op_type=HOSTILE, module=HOSTILE, origins=(HOSTILE,))
    told = sample(
        case=HOSTILE,
        nodes=(hostile, replace(hostile, traced=Traced.OUTPUTS, inside=(HOSTILE,))),
        operators=(OperatorTime(HOSTILE, HOSTILE, 1, 1.0, 1, 1, 0.5),),
        notes=(HOSTILE,),
        inputs=(HOSTILE,),
    )
    page = Page(profile_html(told, 5))
    plain = Page(
        profile_html(sample(nodes=sample().nodes[:2], operators=sample().operators[:1]), 5)
    )
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in plain.elements}
    text = render_profile(told, 5, 100, color=False)
    for shown in (profile_html(told, 5), text):
        assert not {"\x1b", "\u202e", "\x00"} & set(shown)


def test_bars_are_in_proportion():
    """The longest takes the room there is, the others their share of it."""
    for chart in (operator_chart(sample(), 5), node_chart(sample(), 5)):
        first, second, *_ = chart.bars
        assert first.width == max(bar.width for bar in chart.bars)
        assert second.width == pytest.approx(
            first.width * (0.2 / float(first.value.split("%")[0]) * 100), abs=1
        )


def test_a_run_without_any_kernel_is_drawn():
    """A graph that ONNX Runtime folded away leaves only what is outside of kernels."""
    empty = sample(nodes=(), operators=(), outside=OutsideTime(0, 0, 0.0), total_ns=0, median_ns=0)
    assert "outside of kernels" in profile_html(empty, 5)
    assert "outside of kernels" in render_profile(empty, 5, 80, color=False)


def test_the_text_fits_a_narrow_terminal():
    """At 80 columns, the module stands below the node, and no line is longer."""
    lines = render_profile(sample(), 5, 80, color=False).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  encoder.layer.0.query") for line in lines)
