from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - graphs are made here
import pytest
from graph_cases import branching, chain, with_function
from onnx import TensorProto  # noqa: TID253 - graphs are made here

from conformance.graph.cut import frontier, submodel
from conformance.graph.evaluate import evaluate

X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
LINE = np.linspace(-1, 2, 5, dtype=np.float32)


def run(model, feeds):
    return evaluate(model, feeds, float64=False, budget_s=10)


@pytest.mark.parametrize(
    ("position", "alive"),
    [(0, ("x",)), (1, ("x", "product")), (4, ("x", "squashed")), (5, ("y",))],
)
def test_frontier_holds_what_is_known_before_and_needed_after(position, alive):
    """A cut is crossed by the tensors in use, never by constants or what is done with."""
    assert frontier(chain(), position) == alive


def test_frontier_counts_what_subgraphs_capture_and_what_is_an_output():
    """A tensor that only the branches of an If read, or nobody but the caller, stays alive."""
    assert frontier(branching(), 3) == ("x", "doubled", "positive")
    assert frontier(branching(), 4) == ("doubled", "y")


@pytest.mark.parametrize(("make", "x"), [(chain, X), (branching, LINE), (with_function, LINE)])
def test_two_parts_of_a_cut_answer_like_the_whole(make, x):
    """Whatever the cut, its lower part's frontier fed to the upper part gives the same answer."""
    model = make()
    whole = run(model, {"x": x})
    for position in range(len(model.graph.node) + 1):
        alive = frontier(model, position)
        made = [name for name in alive if name != "x"]
        values = {"x": x}
        if made:
            values |= run(submodel(model, ["x"], made, values), values)
        left = [name for name in whole if name not in values]
        known = {name: values[name] for name in alive}
        answers = run(submodel(model, alive, left, known), known) if left else {}
        for name, array in whole.items():
            np.testing.assert_array_equal((values | answers)[name], array)


def test_part_is_a_valid_model_of_free_size():
    """A part passes the checker and takes other sizes than those of the arrays it was cut with."""
    part = submodel(chain(), ["product", "x"], ["y"], {"product": X, "x": X, "y": X})
    onnx.checker.check_model(part, full_check=True)
    assert not part.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    assert [t.name for t in part.graph.initializer] == ["b"]
    more = np.ones((7, 4), np.float32)
    assert run(part, {"product": more, "x": more})["y"].shape == (7, 4)


def test_part_takes_its_input_types_from_the_values():
    """Strings are declared as strings, whatever NumPy holds them in."""
    part = submodel(chain(), ["x"], ["y"], {"x": np.array(["a"])})
    assert part.graph.input[0].type.tensor_type.elem_type == TensorProto.STRING


def test_part_that_needs_more_than_it_is_given_is_refused():
    """A tensor that the inputs do not determine is named, not silently made an input."""
    with pytest.raises(ValueError, match="also depend on 'x'"):
        submodel(chain(), ["squashed"], ["y"], {"squashed": X})
    with pytest.raises(ValueError, match="both given and asked for"):
        submodel(chain(), ["x"], ["x"], {"x": X})
