from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import proving
import pytest

from conformance.adapters.contract import Job
from conformance.adapters.tensorflow import TensorFlowAdapter
from conformance.adapters.tensorflow_conversion import TensorFlowConversion
from conformance.adapters.tensorflow_graph import fix_inputs
from conformance.entry import ZooEntry
from conformance.errors import ExportError, Float64Unavailable, LoadError, ReferenceRunError
from conformance.model import Case

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")

ROOT = Path(__file__).parents[2]

MODELS = """
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers

X = tf.TensorSpec([None, 6], tf.float32, name="x")


def sequential():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((6,), name="x"), layers.Dense(8, "relu"), layers.Dense(3, name="logits")]
    )


def functional(as_dict=False):
    keras.utils.set_random_seed(0)
    x, w = keras.Input((6,), name="x"), keras.Input((2,), name="a_second")
    both = layers.Dense(5, activation="tanh", name="zeta")(layers.Concatenate()([x, w]))
    alpha = layers.Dense(4, name="alpha")(both)
    outputs = {"zeta": both, "alpha": alpha} if as_dict else [both, alpha]
    return keras.Model({"x": x, "a_second": w} if as_dict else [x, w], outputs)


def normalised():
    keras.utils.set_random_seed(0)
    x = keras.Input((6,), name="x")
    norm = layers.BatchNormalization()
    model = keras.Model(x, layers.Dense(3, name="logits")(layers.Dropout(0.5)(norm(x))))
    norm.moving_mean.assign(np.arange(6.0))
    norm.moving_variance.assign(np.arange(1.0, 7.0))
    return model


def recurrent():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((5, 6), name="x"), layers.LSTM(4), layers.Dense(3, name="logits")]
    )


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x["x"] - x["w"]) if isinstance(x, dict) else self.dense(x)


def subclassed():
    keras.utils.set_random_seed(0)
    return Own()


def with_lambda(path):
    model = keras.Sequential([keras.Input((6,), name="x"), layers.Lambda(lambda t: t * 2.0)])
    model.save(path)
    return path


def function():
    matrix = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)

    @tf.function(input_signature=[X])
    def project(x):
        y = tf.matmul(x, tf.constant(matrix))
        return {"second": y, "first": tf.reduce_sum(y, axis=1)}

    return project


def capturing():
    outside = tf.constant(np.random.default_rng(0).normal(size=(6, 4)), tf.float32)
    return tf.function(lambda x: tf.matmul(x, outside), input_signature=[X])


def concrete():
    return function().get_concrete_function()


def unsigned():
    return tf.function(lambda t: (tf.sin(t), tf.cos(t)))


class Doubling(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(np.linspace(0.1, 0.9, 6), dtype=tf.float32)

    @tf.function(input_signature=[X])
    def __call__(self, x):
        for _ in tf.range(3):
            x = x * self.scale + x
        return x


def module():
    return Doubling()


def saved():
    with tempfile.TemporaryDirectory() as folder:
        sequential().export(folder, verbose=False)
        return tf.saved_model.load(folder)


def saved_in(path):
    functional().export(path, verbose=False)
    return path


def elementwise(op):
    return tf.function(lambda x: getattr(tf.math, op)(tf.nn.relu(x) + 0.5), input_signature=[X])


def fused_norm():
    def norm(x):
        one = tf.ones([6])
        image = tf.reshape(x, [-1, 1, 1, 6])
        return tf.raw_ops.FusedBatchNormV3(
            x=image, scale=one, offset=one, mean=one, variance=one, is_training=False
        ).y

    return tf.function(norm, input_signature=[X])


def nested():
    return tf.function(lambda x: {"a": [x, x]}, input_signature=[X])


def wide():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6,), name="x"), layers.Dense(300), layers.Dense(3)])


def plain():
    return 42


def relu_to_relu6(graph, nodes):
    for node in nodes:
        if node.type == "Relu":
            node.type = "Relu6"
    return nodes
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "tf_test_models.py").write_text(MODELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        yield folder


@pytest.fixture
def adapter():
    return TensorFlowAdapter()


@pytest.fixture
def job(zoo):
    """Build a job for a factory of ``MODELS`` (or for any source)."""

    def make(
        factory="",
        *,
        args=None,
        source=None,
        exporter="tf2onnx",
        opset=18,
        dynamic=None,
        conversion=None,
    ) -> Job:
        entry = ZooEntry.model_validate(
            {
                "id": "model",
                "framework": "tensorflow",
                "source": source or {"factory": f"tf_test_models:{factory}", "args": args or {}},
                "inputs": {"files": ["unused.npz"]},
                "dynamic": {"x": {0: "batch"}} if dynamic is None else dynamic,
            }
        )
        return Job(
            case=Case(entry, exporter, opset, "fp32"),
            conversion=TensorFlowConversion.model_validate(conversion or {}),
            zoo_dir=zoo,
            cache_dir=zoo / "cache",
            offline=True,
            seed=0,
        )

    return make


def sets_of(**shapes) -> list[dict[str, np.ndarray]]:
    """Two input sets of standard normal values, of batch 3 and 5."""
    rng = np.random.default_rng(0)
    return [
        {name: rng.normal(size=(n, *shape)).astype(np.float32) for name, shape in shapes.items()}
        for n in (3, 5)
    ]


def run_onnx(path, feeds):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def proven(adapter, job, sets, path) -> list[str]:
    """Convert, check the file and compare all outputs; the names of the outputs, in order."""
    report = proving.proof(adapter, adapter.load(job), job, sets, path)
    names = [output.name for output in report.outputs]
    proving.assert_proven(report, names)
    return names


def signed(signature) -> TensorFlowConversion:
    return TensorFlowConversion.model_validate({"input_signature": signature})


def input_shape(path) -> list[int | str]:
    import onnx

    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    return [dim.dim_param or dim.dim_value for dim in dims]


def exported(adapter, job, feeds, path):
    import onnx

    model = adapter.load(job)
    adapter.export(model, job, feeds, path)
    return onnx.load(path)


# -- sources -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "outputs"),
    [
        ("sequential", ["logits"]),
        ("normalised", ["logits"]),
        ("function", ["second", "first"]),
        ("capturing", ["output_0"]),
        ("concrete", ["first", "second"]),
        ("module", ["output_0"]),
        ("saved", ["output_0"]),
    ],
)
def test_every_kind_of_source_is_proven(adapter, job, tmp_path, factory, outputs):
    """Keras models, functions, modules and SavedModels convert, with names in model order."""
    assert proven(adapter, job(factory), sets_of(x=(6,)), tmp_path / "m.onnx") == outputs


def test_a_recurrent_network_is_proven(adapter, job, tmp_path):
    """The loop of an LSTM survives conversion, and its float64 form runs as well."""
    assert proven(adapter, job("recurrent"), sets_of(x=(5, 6)), tmp_path / "m.onnx") == ["logits"]


@pytest.mark.parametrize("exporter", ["tf2onnx", "keras"])
@pytest.mark.parametrize("as_dict", [False, True])
def test_inputs_and_outputs_keep_their_names_and_order(adapter, job, tmp_path, exporter, as_dict):
    """Both exporters keep names and order that are not alphabetical, of lists and dictionaries."""
    dynamic = {"x": {0: "batch"}, "a_second": {0: "batch"}}
    one = job("functional", args={"as_dict": as_dict}, exporter=exporter, dynamic=dynamic)
    outputs = ["alpha", "zeta"] if as_dict else ["zeta", "alpha"]
    found = proven(adapter, one, sets_of(x=(6,), a_second=(2,)), tmp_path / "m.onnx")
    assert sorted(found) == sorted(outputs)
    assert as_dict or found == outputs


def test_a_model_without_inputs_of_its_own_takes_them_from_the_signature(adapter, job, tmp_path):
    """A subclassed Keras model is traced with the entry's signature: one tensor or a mapping."""
    spec = [{"name": name, "shape": [None, 6]} for name in ("x", "w")]
    proven(
        adapter,
        job("subclassed", conversion={"input_signature": spec[:1]}),
        sets_of(x=(6,)),
        tmp_path / "1",
    )
    both = job("subclassed", conversion={"input_signature": spec})
    proven(adapter, both, sets_of(x=(6,), w=(6,)), tmp_path / "2")
    with pytest.raises(LoadError, match=r"does not tell its inputs.*input_signature"):
        adapter.load(job("subclassed"))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_keras_file_is_read(adapter, job, zoo, tmp_path, suffix):
    """A path to a Keras file, relative to the zoo file, gives the model that was saved."""
    import tf_test_models

    tf_test_models.sequential().save(zoo / f"saved{suffix}")
    one = job(source={"path": f"saved{suffix}"})
    assert proven(adapter, one, sets_of(x=(6,)), tmp_path / "m.onnx") == ["logits"]


def test_a_saved_model_folder_is_read(adapter, job, zoo, tmp_path):
    """A SavedModel folder is a source as a path and as what a factory returns."""
    folder = zoo / "saved"
    sets = sets_of(x=(6,), a_second=(2,))
    dynamic = {"x": {0: "batch"}, "a_second": {0: "batch"}}
    made = job("saved_in", args={"path": str(folder)}, dynamic=dynamic)
    names = proven(adapter, made, sets, tmp_path / "1.onnx")
    read = job(source={"path": "saved"}, dynamic=dynamic)
    assert proven(adapter, read, sets, tmp_path / "2.onnx") == names == ["output_0", "output_1"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"hub": "org/name"}, "come from factory, path, kaggle or url, not hub"),
        ({"path": "nowhere.keras"}, "no file or folder"),
        ({"path": "tf_test_models.py"}, "none of .keras"),
        ({"path": "."}, "is no SavedModel"),
        ({"factory": "tf_test_models:plain"}, "the source gave a int"),
        ({"factory": "tf_test_models:unsigned"}, "has no signature"),
        ({"factory": "tf_test_models:nested"}, "more than a flat structure"),
    ],
)
def test_a_source_that_is_no_model_is_refused(adapter, job, source, message):
    """Each wrong source gets one line that says what is wrong with it."""
    with pytest.raises(LoadError, match=message):
        adapter.load(job(source=source))


def test_a_file_with_code_is_read_only_when_trusted(adapter, job, zoo):
    """A Lambda layer's code runs only with 'allow_pickle', and the refusal says so."""
    import tf_test_models

    tf_test_models.with_lambda(str(zoo / "code.keras"))
    with pytest.raises(LoadError, match="allow_pickle: true"):
        adapter.load(job(source={"path": "code.keras"}))
    model = adapter.load(job(source={"path": "code.keras", "allow_pickle": True}))
    feeds = sets_of(x=(6,))[0]
    (doubled,) = proving.answers(adapter, model, feeds).values()
    np.testing.assert_array_equal(doubled, feeds["x"] * 2)


# -- running the source --------------------------------------------------------------------


def test_the_source_runs_in_inference_mode(adapter, job):
    """Dropout is off and batch normalisation uses its moving statistics."""
    import tf_test_models

    feeds = sets_of(x=(6,))[0]
    model = adapter.load(job("normalised"))
    wanted = tf_test_models.normalised()(feeds["x"], training=False)
    call = adapter.bind(model, feeds)
    for _ in range(2):
        np.testing.assert_allclose(adapter.outputs(model, call())["logits"], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"y": np.zeros((1, 6), np.float32)}, r"inputs are \['x'\].*holds \['y'\]"),
        ({"x": np.zeros((1, 6), np.float64)}, "is float32.*holds float64"),
    ],
)
def test_inputs_that_do_not_fit_are_named(adapter, job, feeds, message):
    """A wrong input name or dtype is reported before TensorFlow sees it."""
    model = adapter.load(job("sequential"))
    with pytest.raises(ReferenceRunError, match=message):
        adapter.bind(model, feeds)


@pytest.mark.parametrize("factory", ["sequential", "normalised", "module", "saved", "recurrent"])
def test_float64_differs_from_float32_by_rounding_only(adapter, job, factory):
    """The float64 form answers in float64, close to but not like the unchanged original."""
    feeds = sets_of(x=(5, 6) if factory == "recurrent" else (6,))[0]
    model = adapter.load(job(factory))
    (answer,) = proving.answers_in_float64(adapter, model, feeds).values()
    (narrow,) = proving.answers(adapter, model, feeds).values()
    assert (answer.dtype, narrow.dtype) == (np.float64, np.float32)
    noise = np.abs(answer - narrow).max()
    assert 0 < noise < 1e-5 * np.abs(answer).max()
    assert np.any(answer != answer.astype(np.float32)), "float64 was computed in float32"


def test_an_operator_without_float64_makes_it_unavailable(adapter, job):
    """Where an operator exists in float32 only, the reason is given."""
    context = adapter.in_float64(adapter.load(job("fused_norm")))
    with pytest.raises(Float64Unavailable, match="no float64 form"), context:
        pass


# -- exporting -----------------------------------------------------------------------------


def test_dynamic_axes_are_named_and_others_fixed(adapter, job, tmp_path):
    """The graph's input has the entry's axis name where dynamic, the traced size elsewhere."""
    feeds = {"levels": np.zeros((2, 6), np.float32)}
    signature = [{"name": "levels", "shape": [None, None]}]
    one = job("unsigned", dynamic={"levels": {0: "rows"}})
    model = adapter.load(replace(one, conversion=signed(signature)))
    adapter.export(model, one, feeds, tmp_path / "m.onnx")
    assert input_shape(tmp_path / "m.onnx") == ["rows", 6]


@pytest.mark.parametrize("exporter", ["tf2onnx", "keras"])
@pytest.mark.parametrize("opset", TensorFlowAdapter.info.opset_range)
def test_the_opset_is_the_one_asked_for(adapter, job, tmp_path, exporter, opset):
    """Both ends of the opset range are really reached, by both exporters."""
    one = job("functional", exporter=exporter, opset=opset, dynamic={})
    model = exported(adapter, one, sets_of(x=(6,), a_second=(2,))[0], tmp_path / "m.onnx")
    assert {imported.domain: imported.version for imported in model.opset_import}[""] == opset


def test_another_opset_in_the_conversion_is_refused(adapter, job, tmp_path):
    """'conversion: opset' may only repeat the case's opset."""
    feeds = sets_of(x=(6,))[0]
    exported(adapter, job("sequential", conversion={"opset": 18}), feeds, tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"is 15, but this case is for opset 18.*'opsets'"):
        exported(adapter, job("sequential", conversion={"opset": 15}), feeds, tmp_path / "m.onnx")


@pytest.mark.parametrize("exporter", ["tf2onnx", "keras"])
def test_the_signature_names_the_inputs(adapter, job, tmp_path, exporter):
    """'input_signature' replaces names and shapes of the model's own inputs."""
    spec = [{"name": "features", "shape": [4, 6]}]
    one = job("sequential", exporter=exporter, dynamic={}, conversion={"input_signature": spec})
    feeds = {"features": np.ones((4, 6), np.float32)}
    assert exported(adapter, one, feeds, tmp_path / "m.onnx").graph.input[0].name == "features"
    assert input_shape(tmp_path / "m.onnx") == [4, 6]
    with pytest.raises(LoadError, match="gives 2 inputs, the model has 1"):
        adapter.load(job("sequential", conversion={"input_signature": spec * 2}))


def test_an_operator_that_tf2onnx_lacks_is_an_error(adapter, job, tmp_path):
    """tf2onnx writes such a model all the same; here the operator is named and nothing written."""
    path = tmp_path / "m.onnx"
    one = job("elementwise", args={"op": "log1p"})
    with pytest.raises(ExportError, match=r"operators Log1p: .*custom_op_handlers.*not supported"):
        exported(adapter, one, sets_of(x=(6,))[0], path)
    assert not path.exists()


def test_a_custom_handler_converts_what_tf2onnx_does_not(adapter, job, tmp_path):
    """'custom_op_handlers' are called, and their conversion is proven like any other."""
    handlers = {"Log1p": "fixtures.tensorflow_models:convert_log1p"}
    one = job("elementwise", args={"op": "log1p"}, conversion={"custom_op_handlers": handlers})
    proven(adapter, replace(one, zoo_dir=ROOT), sets_of(x=(6,)), tmp_path / "m.onnx")


def test_a_custom_operator_is_kept_in_its_domain(adapter, job, tmp_path):
    """'custom_ops' keeps an operator, and 'extra_opset' declares the domain it goes to."""
    conversion = {"custom_ops": {"Log1p": "org.example"}, "extra_opset": {"org.example": 3}}
    one = job("elementwise", args={"op": "log1p"}, conversion=conversion)
    model = exported(adapter, one, sets_of(x=(6,))[0], tmp_path / "m.onnx")
    assert [n.op_type for n in model.graph.node if n.domain == "org.example"] == ["Log1p"]
    assert ("org.example", 3) in {(o.domain, o.version) for o in model.opset_import}


def test_a_custom_rewriter_changes_the_graph(adapter, job, tmp_path):
    """'custom_rewriter' functions get the graph: here one that clips at six."""
    conversion = {"custom_rewriter": ["tf_test_models:relu_to_relu6"]}
    one = job("elementwise", args={"op": "abs"}, conversion=conversion)
    feeds = {"x": np.full((2, 6), 50.0, np.float32)}
    exported(adapter, one, feeds, tmp_path / "m.onnx")
    (answer,) = run_onnx(tmp_path / "m.onnx", feeds).values()
    np.testing.assert_array_equal(answer, 6.5)


def test_a_shape_is_overridden(adapter, job, tmp_path):
    """'shape_override' fixes an axis that the traced graph leaves open."""
    one = job("sequential", conversion={"shape_override": {"x:0": [3, 6]}})
    exported(adapter, one, sets_of(x=(6,))[0], tmp_path / "m.onnx")
    assert input_shape(tmp_path / "m.onnx") == [3, 6]


def test_a_large_model_keeps_its_weights_outside(adapter, job, tmp_path):
    """'large_model' writes the weights beside the graph, and the pair is proven."""
    one = job("wide", conversion={"large_model": True})
    proven(adapter, one, sets_of(x=(6,)), tmp_path / "m.onnx")
    weights = (tmp_path / "m.onnx.data").stat().st_size
    assert weights > 6 * 300 * 4 > (tmp_path / "m.onnx").stat().st_size


def test_the_keras_exporter_says_what_it_cannot_do(adapter, job, tmp_path):
    """Keras' exporter takes Keras models only, and no parameters of tf2onnx."""
    feeds = sets_of(x=(6,))[0]
    with pytest.raises(ExportError, match="Keras models only: use 'tf2onnx'"):
        exported(adapter, job("function", exporter="keras"), feeds, tmp_path / "m.onnx")
    one = job("sequential", exporter="keras", conversion={"large_model": True})
    with pytest.raises(ExportError, match="does not take large_model"):
        exported(adapter, one, feeds, tmp_path / "m.onnx")


def test_an_exporter_s_crash_is_an_export_error(adapter, job, tmp_path):
    """What tf2onnx raises becomes one line that names the exporter."""
    one = job("sequential", conversion={"shape_override": {"nothing:0": [1]}})
    with pytest.raises(ExportError, match="tf2onnx cannot convert the model: KeyError"):
        exported(adapter, one, sets_of(x=(6,))[0], tmp_path / "m.onnx")


def test_a_single_text_that_was_captured_becomes_an_initializer():
    """TensorFlow hands over a text without axes as bytes, which have no shape or dtype."""
    import tensorflow as tf
    from onnx import TensorProto, helper, numpy_helper

    text = helper.make_tensor_value_info("text", TensorProto.STRING, [])
    same = helper.make_tensor_value_info("same", TensorProto.STRING, [])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["text"], ["same"])], "g", [text], [same]
    )
    proto = helper.make_model(graph)
    fix_inputs(proto, {"text": tf.constant("grey")})
    assert not proto.graph.input
    assert numpy_helper.to_array(proto.graph.initializer[0]).item() == "grey"


def test_importing_the_adapter_loads_no_framework():
    """The catalogue of frameworks stays free: TensorFlow is imported when it is used."""
    code = (
        "import sys, conformance.adapters.tensorflow; "
        "print({'tensorflow', 'keras', 'tf2onnx', 'onnx'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.strip() == b"set()"
