from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import proving
import pytest
from proving import assert_proven

from conformance.adapters import pytorch
from conformance.adapters.contract import Job
from conformance.adapters.pytorch import PyTorchAdapter
from conformance.adapters.pytorch_export import PyTorchConversion
from conformance.entry import ZooEntry
from conformance.errors import ExportError, LoadError, ReferenceRunError
from conformance.model import Case

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("sklearn")  # the digits

ROOT = Path(__file__).parents[2]
digits = import_module("fixtures.digits")
models = import_module("fixtures.pytorch_models")

pytestmark = [
    # what torch and onnxscript say about their own deprecated parts
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

ADAPTER = PyTorchAdapter()
UNUSED = {"factory": "unused.here:model"}


def job_for(source, dynamic, *, exporter="torchscript", zoo_dir=ROOT, **conversion):
    entry = ZooEntry.model_validate(
        {
            "id": "model-under-test",
            "framework": "pytorch",
            "source": source,
            "inputs": {"factory": "unused.here:inputs"},
            "dynamic": dynamic,
        }
    )
    return Job(
        case=Case(entry, exporter, 18, "fp32"),
        conversion=PyTorchConversion.model_validate(conversion),
        zoo_dir=zoo_dir,
        cache_dir=zoo_dir,
        offline=True,
        seed=0,
    )


def loaded(model, job):
    """What the adapter makes of a model that a source has given."""
    return pytorch._callable(model, job.conversion.output_names)


def answers(model, feeds):
    return proving.answers(ADAPTER, model, feeds)


def proof(model, job, sets, path):
    return proving.proof(ADAPTER, model, job, sets, path)


def ones(*shape):
    return np.ones(shape, np.float32)


# -- the zoo's models --------------------------------------------------------------------


@pytest.fixture(scope="module")
def cnn():
    return models.cnn()


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_a_trained_module_is_proven_by_both_exporters(exporter, cnn, tmp_path):
    """Both exporters give the same digits as the module, for every batch size."""
    job = job_for(UNUSED, {"images": {0: "batch"}}, exporter=exporter, output_names=["logits"])
    model = loaded(cnn, job)
    assert_proven(proof(model, job, digits.batches(seed=0), tmp_path / "m.onnx"), ["logits"])


def test_a_changed_weight_is_caught(cnn, tmp_path):
    """A weight that is off by a thousandth of the largest one exceeds the limit."""
    import onnx
    from onnx import numpy_helper

    job = job_for(UNUSED, {"images": {0: "batch"}}, output_names=["logits"])
    model, sets, path = loaded(cnn, job), digits.batches(seed=0), tmp_path / "m.onnx"
    ADAPTER.export(model, job, sets[0], path)
    damaged = onnx.load(path)
    weights = next(w for w in damaged.graph.initializer if list(w.dims) == [10, 128])
    values = numpy_helper.to_array(weights).copy()
    values[3] += 1e-3 * np.abs(values).max()
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    onnx.save(damaged, path)
    report = proving.compared(path, proving.data_sets(ADAPTER, model, sets))
    assert "its limit" in report.all_problems[0]


def test_weights_lie_beside_the_graph(cnn, tmp_path):
    """However small the model: one way to store them, which does not end at 2 GB."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    job = job_for(UNUSED, {"images": {0: "batch"}}, exporter="dynamo")
    ADAPTER.export(loaded(cnn, job), job, digits.batches(seed=0)[0], tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx", load_external_data=False).graph
    (largest,) = (tensor for tensor in graph.initializer if list(tensor.dims) == [10, 128])
    assert uses_external_data(largest)
    assert (tmp_path / "m.onnx.data").stat().st_size > 4 * 10 * 128


def test_nested_states_are_flattened_in_order(tmp_path):
    """A tuple within a tuple becomes three outputs, on two dynamic axes."""
    names = ["logits", "hidden", "cell"]
    job = job_for(UNUSED, {"rows": {0: "batch", 1: "length"}}, output_names=names)
    model = loaded(models.Lstm(), job)
    assert_proven(proof(model, job, models.rows(seed=0), tmp_path / "m.onnx"), names)


def test_a_dictionary_names_its_outputs(cnn, tmp_path):
    """Two inputs by keyword, two outputs by key, one of them integers."""
    axes = {"left": {0: "batch"}, "right": {0: "batch"}}
    job = job_for(UNUSED, axes, exporter="dynamo")
    model = loaded(models.Twins(cnn).eval(), job)
    report = proof(model, job, models.pairs(seed=0), tmp_path / "m.onnx")
    assert_proven(report, ["similarity", "alike"])


def test_a_script_module_keeps_its_loop_and_its_branch(tmp_path):
    """A scripted loop runs as often as the input has rows, and both branches are there."""
    import onnx

    job = job_for(UNUSED, {"rows": {0: "batch", 1: "length"}})
    model = loaded(torch.jit.script(models.Reader()), job)
    path = tmp_path / "m.onnx"
    assert_proven(proof(model, job, models.rows_with_a_blank(seed=0), path), ["output_0"])
    loop = next(n for n in onnx.load(path).graph.node if n.op_type == "Loop")
    assert "If" in {n.op_type for n in loop.attribute[0].g.node}


def test_an_exported_program_survives_a_file(tmp_path):
    """A .pt2 file is loaded, run in float64 and proven by the dynamo exporter."""
    dynamic = {"rows": {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=8)}}
    sets = models.rows(seed=0)
    program = torch.export.export(
        models.Transformer().eval(),
        (torch.from_numpy(sets[0]["rows"].copy()),),
        dynamic_shapes=dynamic,
    )
    torch.export.save(program, tmp_path / "model.pt2")
    job = job_for(
        {"path": "model.pt2", "allow_pickle": True},
        {"rows": {0: "batch", 1: "length"}},
        exporter="dynamo",
        zoo_dir=tmp_path,
    )
    assert_proven(proof(ADAPTER.load(job), job, sets, tmp_path / "m.onnx"), ["output_0"])


def test_both_sides_of_a_condition_are_exported(cnn, tmp_path):
    """torch.cond becomes a branch of the graph that dark and bright inputs decide."""
    job = job_for(UNUSED, {"images": {0: "batch"}}, exporter="dynamo")
    model = loaded(models.Adaptive(cnn).eval(), job)
    report = proof(model, job, models.bright_and_dark(seed=0), tmp_path / "m.onnx")
    assert_proven(report, ["output_0"])


def test_a_traced_branch_is_caught(cnn, tmp_path):
    """Tracing a Python branch exports one side; the input sets that take the other show it."""
    job = job_for(UNUSED, {"images": {0: "batch"}})
    model = loaded(models.Branching(cnn).eval(), job)
    report = proof(model, job, models.bright_and_dark(seed=0), tmp_path / "m.onnx")
    assert "its limit" in report.all_problems[0]


def test_a_failed_export_names_its_cause_in_one_line(cnn, tmp_path):
    """The dynamo exporter's error carries the reason that it hides below its advice."""
    job = job_for(UNUSED, {"images": {0: "batch"}}, exporter="dynamo")
    model = loaded(models.Branching(cnn).eval(), job)
    with pytest.raises(ExportError, match="Could not guard on data-dependent") as caught:
        ADAPTER.export(model, job, digits.batches(seed=0)[0], tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)


# -- calls and outputs -------------------------------------------------------------------


class Weighted(torch.nn.Module):
    """A sum whose inputs count differently."""

    def forward(self, a, b, c=None):
        return a + 2 * b if c is None else a + 2 * b + 4 * c


def test_inputs_are_passed_by_the_names_the_module_knows():
    """The order of the feeds does not matter where the names are parameters."""
    model = loaded(Weighted(), job_for(UNUSED, {}))
    feeds = {"b": 10 * ones(1), "a": ones(1)}
    assert answers(model, feeds)["output_0"] == 21


def test_unknown_names_are_passed_in_order():
    """Feeds whose names the module does not know are positional."""
    model = loaded(Weighted(), job_for(UNUSED, {}))
    assert answers(model, {"x": 10 * ones(1), "y": ones(1)})["output_0"] == 12


def test_torchscript_refuses_an_order_that_would_swap_names(tmp_path):
    """Inputs out of order would be exported under each other's names."""
    job = job_for(UNUSED, {})
    model = loaded(Weighted(), job)
    with pytest.raises(ExportError, match="give the input sets as a, b"):
        ADAPTER.export(model, job, {"b": ones(2), "a": ones(2)}, tmp_path / "m.onnx")


class Returning(torch.nn.Module):
    """Answers as it is told to."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda x: x, ["output_0"]),
        (lambda x: (x, [x, x]), ["output_0", "output_1", "output_2"]),
        (lambda x: (x, None, x), ["output_0", "output_1"]),
        (lambda x: {"b": x, "a": {"c": x}}, ["b", "a_c"]),
        (lambda x: {"states": (x, x)}, ["output_0", "output_1"]),
    ],
)
def test_whatever_a_module_returns_is_flattened(make, names):
    """Tensors, sequences, mappings and absent values become named outputs in order."""
    model = loaded(Returning(make), job_for(UNUSED, {}))
    assert list(answers(model, {"x": ones(2)})) == names


def test_an_output_that_is_no_tensor_is_refused():
    """A number among the outputs is named, not dropped."""
    model = loaded(Returning(lambda x: (x, 3)), job_for(UNUSED, {}))
    with pytest.raises(ReferenceRunError, match="output 'output_1' is a int, not a tensor"):
        answers(model, {"x": ones(2)})


def test_too_few_output_names_are_refused():
    """output_names must name every tensor that the model returns."""
    job = job_for(UNUSED, {}, output_names=["y"])
    model = loaded(Returning(lambda x: (x, x)), job)
    with pytest.raises(ReferenceRunError, match="gives 1 names, the model returns 2 tensors"):
        answers(model, {"x": ones(2)})


class MakesTensors(torch.nn.Module):
    """Adds a tensor that it makes in the default dtype."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(x) + torch.full((2,), 0.1)


def test_tensors_made_on_the_way_are_float64_too():
    """The reference computes 0.1 in float64, and leaves model and default dtype as they were."""
    model = loaded(MakesTensors(), job_for(UNUSED, {}))
    feeds = {"x": np.zeros((1, 2), np.float32)}
    found = proving.answers_in_float64(ADAPTER, model, feeds)["output_0"]
    bias = model.module.linear.bias.detach().numpy().astype(np.float64)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found[0], bias + 0.1)
    assert model.module.linear.weight.dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32


def test_the_default_dtype_survives_a_model_that_raises():
    """A failing float64 run does not leave the process in float64."""

    def fail(x):
        raise ValueError("on purpose")

    model = loaded(Returning(fail), job_for(UNUSED, {}))
    with pytest.raises(ValueError, match="on purpose"):
        proving.answers_in_float64(ADAPTER, model, {"x": ones(2)})
    assert torch.get_default_dtype() == torch.float32


def test_a_model_is_put_into_inference_mode():
    """Dropout does nothing, however the factory left the module."""
    model = loaded(torch.nn.Dropout(0.5).train(), job_for(UNUSED, {}))
    np.testing.assert_array_equal(answers(model, {"x": ones(100)})["output_0"], ones(100))


# -- conversion parameters ---------------------------------------------------------------


def trace_with():
    """Tensors for ``args``: another batch than the input sets have."""
    return (torch.zeros(7, 2),)


def test_args_and_dynamic_axes_reach_the_exporter(tmp_path, monkeypatch):
    """Other tensors are traced, and further axes are dynamic, named or not."""
    import onnx

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    name = Path(__file__).stem
    job = job_for(UNUSED, {}, args=f"{name}:trace_with", dynamic_axes={"x": {"1": "width"}})
    model = loaded(Returning(torch.relu), job)
    ADAPTER.export(model, job, {"x": ones(3, 2)}, tmp_path / "m.onnx")
    dims = onnx.load(tmp_path / "m.onnx").graph.input[0].type.tensor_type.shape.dim
    assert (dims[0].dim_value, dims[1].dim_param) == (7, "width")
    unnamed = job_for(UNUSED, {}, dynamic_axes={"x": [0]})
    ADAPTER.export(model, unnamed, {"x": ones(3, 2)}, tmp_path / "m.onnx")
    dims = onnx.load(tmp_path / "m.onnx").graph.input[0].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_value) == ("x_0", 2)


def test_export_params_false_leaves_the_weights_out(tmp_path):
    """Without export_params the graph asks for its weights as inputs."""
    import onnx

    job = job_for(UNUSED, {}, export_params=False)
    model = loaded(torch.nn.Linear(2, 2), job)
    ADAPTER.export(model, job, {"input": ones(3, 2)}, tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert len(graph.input) == 3
    assert not graph.initializer


def test_training_mode_is_kept_where_it_is_asked_for(tmp_path):
    """The TorchScript exporter keeps dropout active in training mode."""
    import onnx

    job = job_for(UNUSED, {}, training="training", do_constant_folding=False)
    model = loaded(torch.nn.Dropout(0.5), job)
    ADAPTER.export(model, job, {"input": ones(3, 2)}, tmp_path / "m.onnx")
    assert "Dropout" in {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}


@pytest.mark.parametrize(
    ("exporter", "model", "conversion", "message"),
    [
        ("dynamo", torch.nn.ReLU(), {"opset_version": 17}, "'opset_version' is 17, .* opset 18"),
        ("dynamo", torch.nn.ReLU(), {"input_names": ["x"]}, r"is \['x'\], .* hold \['input'\]"),
        ("dynamo", torch.nn.ReLU(), {"training": "training"}, "the TorchScript exporter only"),
        (
            "dynamo",
            torch.nn.ReLU(),
            {"dynamic_axes": {"input": {1: "n"}}},
            "put a larger set first",
        ),
        ("dynamo", torch.jit.script(torch.nn.ReLU()), {}, r"set 'exporters: \[torchscript\]'"),
        (
            "torchscript",
            torch.export.export(torch.nn.ReLU(), (torch.ones(2, 1),)),
            {},
            r"set 'exporters: \[dynamo\]'",
        ),
        ("torchscript", torch.nn.ReLU(), {"args": "no_such_module:x"}, "'args': .*no module"),
    ],
)
def test_what_cannot_be_exported_says_what_to_do(exporter, model, conversion, message, tmp_path):
    """Each contradiction is refused before the exporter is asked."""
    job = job_for(UNUSED, {}, exporter=exporter, **conversion)
    with pytest.raises(ExportError, match=message):
        ADAPTER.export(loaded(model, job), job, {"input": ones(2, 1)}, tmp_path / "m.onnx")


# -- sources -----------------------------------------------------------------------------


def test_torchscript_is_loaded_from_a_file(tmp_path):
    """A .pt file that holds TorchScript needs no leave."""
    torch.jit.script(torch.nn.ReLU()).save(tmp_path / "model.pt")
    model = ADAPTER.load(job_for({"path": "model.pt"}, {}, zoo_dir=tmp_path))
    assert answers(model, {"input": -ones(2)})["output_0"].tolist() == [0, 0]


def test_a_pickled_module_needs_leave(tmp_path):
    """A pickle is refused, and loaded once the entry allows it."""
    torch.save(torch.nn.ReLU(), tmp_path / "model.pt")
    with pytest.raises(LoadError, match="'allow_pickle: true' if you trust its author"):
        ADAPTER.load(job_for({"path": "model.pt"}, {}, zoo_dir=tmp_path))
    source = {"path": "model.pt", "allow_pickle": True}
    model = ADAPTER.load(job_for(source, {}, zoo_dir=tmp_path))
    assert isinstance(model.source, torch.nn.ReLU)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"path": "absent.pt"}, "there is no file"),
        ({"path": "model.onnx"}, "is none of .pt2, .pt, .pth"),
        ({"path": "damaged.pt2", "allow_pickle": True}, "no readable exported program"),
        ({"path": "damaged.pt", "allow_pickle": True}, "cannot be unpickled"),
        ({"path": "weights.pt", "allow_pickle": True}, "build the module in a factory"),
        ({"hub": "org/name"}, "come from factory, path or torch_hub, not hub"),
        ({"factory": "builtins:dict"}, "gave a dict, not an nn.Module"),
    ],
)
def test_what_cannot_be_loaded_says_why(source, message, tmp_path):
    """Each wrong source is told apart."""
    torch.save(torch.nn.Linear(1, 1).state_dict(), tmp_path / "weights.pt")
    for name in ("model.onnx", "damaged.pt", "damaged.pt2"):
        (tmp_path / name).write_bytes(b"neither an archive nor a pickle")
    with pytest.raises(LoadError, match=message):
        ADAPTER.load(job_for(source, {}, zoo_dir=tmp_path))
