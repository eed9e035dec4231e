from __future__ import annotations

import copy
from collections import Counter
from contextlib import nullcontext

import numpy as np
import pytest

from conformance.adapters import tensorflow_lean
from conformance.adapters.tensorflow_lean import lean_tf2onnx

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
tf2onnx = pytest.importorskip("tf2onnx")

IMAGE = tf.TensorSpec([None, 16, 16, 3], tf.float32, name="x")
ROWS = tf.TensorSpec([None, 6], tf.float32, name="x")
TOKENS = tf.TensorSpec([None, 7], tf.int32, name="x")


def convolutional():
    """Convolutions with batch norms to fold, a residual sum, padding and pooling."""
    x = keras.Input((16, 16, 3), name="x")
    y = keras.layers.ZeroPadding2D(1)(x)
    y = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(y)
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(y))
    z = keras.layers.DepthwiseConv2D(3, padding="same")(y)
    z = keras.layers.BatchNormalization()(z)
    y = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([y, z]))
    model = keras.Model(x, keras.layers.Dense(300)(y))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape).astype(w.dtype) for w in model.get_weights()])
    return of_keras(model, IMAGE)


def recurrent():
    """LSTM and GRU: functions, loops, and tf2onnx's own rewriting of both."""
    both = [
        keras.Input((7,), dtype="int32", name="x"),
        keras.layers.Embedding(50, 12),
        keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True)),
        keras.layers.GRU(4),
    ]
    return of_keras(keras.Sequential(both), TOKENS)


def attentive():
    """Attention with einsum, layer norm and swish."""
    x = keras.Input((7,), dtype="int32", name="x")
    y = keras.layers.Embedding(50, 16)(x)
    y = keras.layers.LayerNormalization()(y + keras.layers.MultiHeadAttention(2, 8)(y, y))
    return of_keras(keras.Model(x, keras.layers.Dense(40, activation="swish")(y)), TOKENS)


def looping():
    """A loop and a branch whose bodies hold constants and a variable."""
    scale = tf.Variable(np.linspace(0.1, 0.9, 6), dtype=tf.float32)
    matrix = np.random.default_rng(0).normal(size=(6, 6)).astype("f4")

    def call(x):
        for _ in tf.range(3):
            x = tf.matmul(x, tf.constant(matrix)) * scale
        return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: x @ matrix, lambda: x - scale)}

    return tf.function(call, input_signature=[ROWS]), [ROWS]


def shaped_by_values():
    """A shape that comes from the values of a constant too long to be a shape itself."""
    lengths = np.arange(400, dtype="i4") % 7
    table = np.random.default_rng(0).normal(size=(400, 6)).astype("f4")

    def call(x):
        width = tf.reduce_max(tf.constant(lengths))
        return {"y": tf.reshape(x @ tf.transpose(table)[:, : width * 6], [-1, width, 6])}

    return tf.function(call, input_signature=[ROWS]), [ROWS]


def capturing():
    """A tensor from outside, which TensorFlow passes in as an input, and an unused input."""
    outside = tf.constant(np.random.default_rng(0).normal(size=(6, 4)), tf.float32)
    unused = tf.TensorSpec([None], tf.float32, name="unused")
    call = tf.function(lambda x, unused: {"y": x @ outside}, input_signature=[ROWS, unused])
    return call, [ROWS, unused]


def counting():
    """A variable that the call changes, which TensorFlow cannot freeze as it is."""
    calls = tf.Variable(np.zeros(1), dtype=tf.float32)

    def call(x):
        calls.assign_add([1.0])
        return {"y": x * 2.0}

    return tf.function(call, input_signature=[ROWS]), [ROWS]


MODELS = (convolutional, recurrent, attentive, looping, shaped_by_values, capturing)


CASES = ((convolutional, 14), *((build, 18) for build in MODELS))


def operators(proto):
    return Counter(node.op_type for node in proto.graph.node)


def of_keras(model, spec):
    call = tf.function(lambda x: {"y": model(x, training=False)}, input_signature=[spec])
    call.model = model  # it keeps the variables alive
    return call, [spec]


def converted(build, opset, *, lean):
    keras.utils.set_random_seed(0)
    call, specs = build()
    with lean_tf2onnx() if lean else nullcontext():
        return tf2onnx.convert.from_function(call, specs, opset=opset)[0]


def answers(proto, folder) -> tuple[list[np.ndarray], int]:
    """Outputs for random inputs, and the number of nodes that ONNX Runtime makes of the graph."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(1)
    feeds = {}
    for given in session.get_inputs():
        shape = [size if isinstance(size, int) else 3 for size in given.shape]
        drawn = rng.integers(0, 50, shape) if "int" in given.type else rng.normal(size=shape)
        feeds[given.name] = drawn.astype("i4" if "int" in given.type else "f4")
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return session.run(None, feeds), len(nodes)


@pytest.fixture
def lean_freezes(monkeypatch):
    """The graphs that were frozen the lean way, to the end."""
    found = []
    frozen = tensorflow_lean._frozen

    def recording(*args):
        found.append(frozen(*args))
        return found[-1]

    monkeypatch.setattr(tensorflow_lean, "_frozen", recording)
    return found


def read(path):
    import onnx

    return onnx.load(path)


@pytest.mark.parametrize(
    ("build", "opset"),
    [pytest.param(build, opset, id=f"{build.__name__}-{opset}") for build, opset in CASES],
)
def test_a_model_is_the_same_as_stock_tf2onnx_makes_it(build, opset, tmp_path, lean_freezes):
    """Same operators, as many after ONNX Runtime's optimization, and outputs alike to the bit."""
    stock, lean = (converted(build, opset, lean=lean) for lean in (False, True))
    assert len(lean_freezes) == 1, "it fell back on the stock way"
    expected, found = answers(stock, tmp_path), answers(lean, tmp_path)
    assert operators(lean) == operators(stock)
    assert found[1] <= expected[1]
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_keras_own_exporter_is_lean_too(tmp_path, lean_freezes):
    """Keras' exporter comes to the same model by the same way."""
    keras.utils.set_random_seed(0)
    model = convolutional()[0].model
    for name, way in (("stock", nullcontext()), ("lean", lean_tf2onnx())):
        with way:
            model.export(
                str(tmp_path / name), format="onnx", verbose=False, input_signature=[IMAGE]
            )
    assert len(lean_freezes) == 1
    stock, lean = read(tmp_path / "stock"), read(tmp_path / "lean")
    assert operators(lean) == operators(stock)
    np.testing.assert_array_equal(answers(lean, tmp_path)[0], answers(stock, tmp_path)[0])


def test_what_cannot_be_frozen_fails_as_with_stock_tf2onnx():
    """The stock way has the last word on a model that cannot be frozen the lean way."""
    with pytest.raises(ValueError, match="incompatible with expected resource") as stock:
        converted(counting, 18, lean=False)
    with pytest.raises(ValueError, match="incompatible with expected resource") as lean:
        converted(counting, 18, lean=True)
    assert str(lean.value) == str(stock.value)


def test_tf2onnx_is_put_back_also_after_an_error():
    """Nothing stays replaced, whether the conversion went well or not."""
    loader, node = tf2onnx.tf_loader, tf2onnx.graph.Node
    stock = (loader.from_function, node.update_proto)
    replaced = []

    def fail():
        with lean_tf2onnx():
            replaced.extend([loader.from_function, node.update_proto])
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        fail()
    assert not set(stock) & set(replaced)
    assert (loader.from_function, node.update_proto) == stock
    assert tf2onnx.optimizer.copy is copy


@pytest.mark.parametrize("name", ["tf_optimize", "convert_variables_to_constants_large_model"])
def test_another_tf2onnx_works_as_it_always_does(monkeypatch, name):
    """A function that is gone or takes something else turns all of it off, without an error."""
    stock = tf2onnx.tf_loader.from_function
    monkeypatch.setattr(tf2onnx.tf_loader, name, lambda everything: everything)
    with lean_tf2onnx():
        assert tf2onnx.tf_loader.from_function is stock
    monkeypatch.delattr(tf2onnx.tf_loader, name)
    with lean_tf2onnx():
        assert tf2onnx.tf_loader.from_function is stock


def test_a_freeze_that_fails_is_done_the_stock_way(monkeypatch, tmp_path):
    """An error inside what is called differently than stock costs time, never the model."""

    def failing(func):
        raise TypeError(func)

    expected = converted(convolutional, 18, lean=False)
    name = "convert_variables_to_constants_large_model"
    monkeypatch.setattr(tf2onnx.tf_loader, name, failing)
    found = converted(convolutional, 18, lean=True)
    np.testing.assert_array_equal(answers(found, tmp_path)[0], answers(expected, tmp_path)[0])


def test_a_pass_that_fails_halfway_leaves_the_weights_as_they_were(monkeypatch, tmp_path):
    """The net under the optimizer holds: a pass that drops weights and fails changes nothing."""

    class Failing(tf2onnx.optimizer.IdentityOptimizer):
        def _optimize(self, graph):
            for node in graph.get_nodes():
                if node.is_const():
                    node.set_tensor_value(node.get_tensor_value(as_list=False) * 0)
            raise RuntimeError("halfway")

    expected = converted(convolutional, 18, lean=False)
    monkeypatch.setitem(tf2onnx.optimizer._optimizers, "remove_redundant_upsample", Failing)
    found = converted(convolutional, 18, lean=True)
    np.testing.assert_array_equal(answers(found, tmp_path)[0], answers(expected, tmp_path)[0])


def test_no_pass_writes_into_the_weights_that_copies_share(monkeypatch):
    """What sharing rests on: during all passes no constant's bytes change in place."""
    shared = {}

    def contents(attribute):
        bare = type(attribute.t).FromString(attribute.t.SerializeToString())
        bare.ClearField("name")
        return bare.SerializeToString()

    def remembering(graph, *, values=tensorflow_lean._values):
        for attribute in values(graph):
            shared.setdefault(id(attribute), (attribute, contents(attribute)))
            yield attribute

    monkeypatch.setattr(tensorflow_lean, "_values", remembering)
    for build in (convolutional, looping):
        converted(build, 18, lean=True)
    assert len(shared) > 20
    assert all(contents(attribute) == before for attribute, before in shared.values())


def test_the_optimizer_s_copy_shares_weights_and_nothing_else(monkeypatch):
    """Of a graph with bodies, the copy has its own nodes and attributes, and the same tensors."""
    seen = []

    def looking(graph, catch_errors=True, optimizers=None):
        twin = tf2onnx.optimizer.copy.deepcopy(graph)
        both = graph.get_nodes(), twin.get_nodes()
        values = [[id(value) for value in tensorflow_lean._values(one)] for one in (graph, twin)]
        assert values[0] == values[1]
        assert len(values[0]) > sum(node.is_const() for node in graph.get_nodes()) > 0
        for one, other in zip(*both, strict=True):
            assert one is not other
            assert one.attr is not other.attr
        assert not any(node.op.attribute for node in graph.get_nodes() if node.is_const())
        seen.append(graph)
        return graph

    monkeypatch.setattr(tf2onnx.optimizer, "optimize_graph", looking)
    converted(looping, 18, lean=True)
    assert len(seen) == 1
