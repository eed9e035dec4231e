"""Miniatures of the shapes that models come in, honest ones first, each with its liars.

Like :mod:`miniatures`, which they stand on; a zoo names them ``miniature_families:Masked``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from graph_edits import add_weight, insert
from miniatures import Honest, save_graph

#: Where the trees of :class:`Tree` turn over.
THRESHOLD = 1.0
_SIZES = {"sets": [{"batch": 4, "time": 6}, {"batch": 7, "time": 3}]}


@dataclass
class Weights:
    """A weight in the precision in which its model computes."""

    value: np.ndarray


class Family(Honest):
    """One weight; a subclass says what is computed from it, in NumPy and in ONNX."""

    shape: ClassVar[tuple[int, ...]] = (3, 3)

    def load(self, job):
        return Weights(np.random.default_rng(3).normal(size=self.shape).astype("f4"))

    def bind(self, model, feeds):
        return lambda: self.answer(model.value, **feeds)

    def outputs(self, model, result):
        return result

    @contextmanager
    def in_float64(self, model):
        yield Weights(model.value.astype("f8"))

    def answer(self, weight: np.ndarray, **feeds: np.ndarray) -> dict[str, Any]:
        raise NotImplementedError


# -- a mask ------------------------------------------------------------------------------


class Masked(Family):
    """The mean of the real positions of a padded batch."""

    inputs: ClassVar = {
        "spec": {
            "x": {"shape": ["batch", "time", 3]},
            "mask": {"dtype": "int64", "shape": ["batch", "time"], "fill": "mask"},
        },
        **_SIZES,
    }

    def answer(self, weight, x, mask):
        real = mask[..., None].astype(x.dtype)
        return {"mean": ((x @ weight) * real).sum(axis=1) / real.sum(axis=1)}

    def export(self, model, job, feeds, path, *, scale=1.0, shift=0.0):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("Cast", ["mask"], ["given"], to=1),
                helper.make_node("Mul", ["given", "scale"], ["scaled"]),
                helper.make_node("Add", ["scaled", "shift"], ["used"]),
                helper.make_node("Unsqueeze", ["used", "last"], ["real"]),
                helper.make_node("MatMul", ["x", "w"], ["hidden"]),
                helper.make_node("Mul", ["hidden", "real"], ["kept"]),
                helper.make_node("ReduceSum", ["kept", "time"], ["sum"], keepdims=0),
                helper.make_node("ReduceSum", ["real", "time"], ["count"], keepdims=0),
                helper.make_node("Div", ["sum", "count"], ["mean"]),
            ],
            inputs={
                "x": ("FLOAT", ["batch", "time", 3]),
                "mask": ("INT64", ["batch", "time"]),
            },
            outputs={"mean": ("FLOAT", ["batch", 3])},
            weights={
                "w": model.value,
                "last": np.array([-1]),
                "time": np.array([1]),
                "scale": np.float32(scale),
                "shift": np.float32(shift),
            },
        )


class DroppedMask(Masked):
    """The exported graph reads the mask, and takes every position for real."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path, scale=0.0, shift=1.0)


class CountedPadding(Masked):
    """The exported graph lets the padding count a little."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path, scale=0.75, shift=0.25)


# -- labels ------------------------------------------------------------------------------


class Classifier(Family):
    """Scores of three classes, and the label of the best, which is not its position."""

    labels: ClassVar = np.array([10, 20, 30])

    def answer(self, weight, x):
        scores = x @ weight
        return {"label": self.labels[scores.argmax(axis=1)], "scores": scores}

    def export(self, model, job, feeds, path, *, labels=None):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("MatMul", ["x", "w"], ["scores"]),
                helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
                helper.make_node("Gather", ["labels", "best"], ["label"]),
            ],
            inputs={"x": ("FLOAT", ["batch", 3])},
            outputs={"label": ("INT64", ["batch"]), "scores": ("FLOAT", ["batch", 3])},
            weights={"w": model.value, "labels": self.labels if labels is None else labels},
        )


class WrongLabels(Classifier):
    """The exported classifier has the right scores, and calls two classes by each other's name."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path, labels=np.array([20, 10, 30]))


class PositionsForLabels(Classifier):
    """The exported classifier answers with the position of the class in place of its label."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path, labels=np.array([0, 1, 2]))


# -- sequences ---------------------------------------------------------------------------


class Sequence(Family):
    """A running sum over time."""

    inputs: ClassVar = {"spec": {"x": {"shape": ["batch", "time", 3]}}, **_SIZES}

    def answer(self, weight, x):
        return {"sums": np.cumsum(x @ weight, axis=1)}

    def export(self, model, job, feeds, path):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("MatMul", ["x", "w"], ["hidden"]),
                helper.make_node("CumSum", ["hidden", "time"], ["sums"]),
            ],
            inputs={"x": ("FLOAT", ["batch", "time", 3])},
            outputs={"sums": ("FLOAT", ["batch", "steps", 3])},
            weights={"w": model.value, "time": np.array(1)},
        )


class OneTooFew(Sequence):
    """The exported sequence lacks its last position."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path)
        for name, value in (("from", 0), ("to", -1), ("axis", 1)):
            add_weight(path, name, np.array([value]))
        insert(path, "sums", "Slice", "from", "to", "axis")


class OffByOne(Sequence):
    """The exported sequence is as long as the source's, and one position late."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path)
        add_weight(path, "front", np.array([0, 1, 0, 0, -1, 0]))
        insert(path, "sums", "Pad", "front")


# -- text --------------------------------------------------------------------------------


class Generator(Family):
    """A causal language model: the scores of the next token, from all tokens so far."""

    task: ClassVar = "text-generation"
    shape: ClassVar = (20, 20)
    inputs: ClassVar = {
        "spec": {"input_ids": {"dtype": "int64", "shape": ["batch", "time"], "high": 20}},
        **_SIZES,
    }

    def load(self, job):
        model = super().load(job)
        return Weights(model.value - 9 * np.eye(20, dtype="f4"))  # so that it does not stutter

    def answer(self, weight, input_ids):
        return {"logits": np.cumsum(weight[input_ids], axis=1)}

    def export(self, model, job, feeds, path, *, reads=1_000_000):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("Gather", ["w", "input_ids"], ["found"]),
                helper.make_node("Shape", ["input_ids"], ["length"], start=1),
                helper.make_node("Squeeze", ["length"], ["end"]),
                helper.make_node("Range", ["zero", "end", "one"], ["places"]),
                helper.make_node("Less", ["places", "reads"], ["near"]),
                helper.make_node("Cast", ["near"], ["read"], to=1),
                helper.make_node("Unsqueeze", ["read", "one"], ["column"]),
                helper.make_node("Mul", ["found", "column"], ["used"]),
                helper.make_node("CumSum", ["used", "one"], ["logits"]),
            ],
            inputs={"input_ids": ("INT64", ["batch", "time"])},
            outputs={"logits": ("FLOAT", ["batch", "time", 20])},
            weights={"w": model.value, "zero": 0, "one": 1, "reads": reads},
        )


class Forgetful(Generator):
    """The exported language model reads no more tokens than were traced."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path, reads=feeds["input_ids"].shape[1])


# -- matrices ----------------------------------------------------------------------------


class Matrix(Family):
    """A square matrix for each row."""

    shape: ClassVar = (3,)

    def answer(self, weight, x):
        return {"m": x[:, :, None] * weight}

    def export(self, model, job, feeds, path):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("Unsqueeze", ["x", "last"], ["column"]),
                helper.make_node("Mul", ["column", "w"], ["m"]),
            ],
            inputs={"x": ("FLOAT", ["batch", 3])},
            outputs={"m": ("FLOAT", ["batch", 3, 3])},
            weights={"w": model.value, "last": np.array([-1])},
        )


class Transposed(Matrix):
    """The exported matrices are transposed, which their shape does not show."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path)
        insert(path, "m", "Transpose", perm=[0, 2, 1])


# -- rounding noise ----------------------------------------------------------------------


class Noisy(Family):
    """A difference of large numbers, whose rounding is most of the error there is."""

    def answer(self, weight, x):
        large = x.dtype.type(1000)
        return {"y": (x @ weight + large) - large}

    def export(self, model, job, feeds, path, *, error=0.0):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("MatMul", ["x", "w"], ["hidden"]),
                helper.make_node("Add", ["hidden", "large"], ["sum"]),
                helper.make_node("Sub", ["sum", "large"], ["rest"]),
                helper.make_node("Add", ["rest", "error"], ["y"]),
            ],
            inputs={"x": ("FLOAT", ["batch", 3])},
            outputs={"y": ("FLOAT", ["batch", 3])},
            weights={
                "w": model.value,
                "large": np.float32(1000),
                "error": np.full(3, error, "f4"),
            },
        )


class TenTimesItsNoise(Noisy):
    """The exported output is off by ten times what the source errs by rounding."""

    def export(self, model, job, feeds, path):
        exact = self.answer(model.value.astype("f8"), feeds["x"].astype("f8"))["y"]
        noise = np.abs(self.answer(model.value, feeds["x"])["y"] - exact).max()
        super().export(model, job, feeds, path, error=10 * noise)


# -- trees -------------------------------------------------------------------------------


class Tree(Family):
    """A tree of one split on a scaled feature, which float32 decides otherwise for one row."""

    inputs: ClassVar = {"factory": "miniature_families:rows_about_a_threshold"}
    dynamic: ClassVar = {"x": {0: "batch"}}
    shape: ClassVar = (1,)

    def load(self, job):
        return Weights(np.array([3.0]))

    def answer(self, weight, x):
        # like scikit-learn: double precision, whatever it is given
        value = x.astype("f8") / weight
        leaf = np.where(value <= THRESHOLD / 3, -1.0, 1.0) + np.arange(2) / 8
        return {"y": leaf.astype(x.dtype)}

    def margins(self, model, feeds):
        value = feeds["x"][:, 0].astype("f8") / model.value
        return {"y": np.abs(value - THRESHOLD / 3) / np.spacing(np.float32(THRESHOLD / 3))}

    def export(self, model, job, feeds, path, *, threshold=THRESHOLD):
        from onnx import helper

        save_graph(
            path,
            job,
            [
                helper.make_node("Mul", ["x", "third"], ["value"]),
                helper.make_node("LessOrEqual", ["value", "threshold"], ["left"]),
                helper.make_node("Where", ["left", "low", "high"], ["y"]),
            ],
            inputs={"x": ("FLOAT", ["batch", 1])},
            outputs={"y": ("FLOAT", ["batch", 2])},
            weights={
                "third": np.float32(1 / 3),
                # the largest float32 below, as converters of trees round
                "threshold": np.nextafter(np.float32(threshold / 3), np.float32(-np.inf)),
                "low": np.array([-1, -0.875], "f4"),
                "high": np.array([1, 1.125], "f4"),
            },
        )


class WrongThreshold(Tree):
    """The exported tree turns over elsewhere, and rows that are close to nothing change leaf."""

    def export(self, model, job, feeds, path):
        super().export(model, job, feeds, path, threshold=THRESHOLD * 1.5)


class AllTies(WrongThreshold):
    """Every row is said to be at a threshold, so that no difference would count."""

    def margins(self, model, feeds):
        return {"y": np.zeros(len(feeds["x"]))}


def rows_about_a_threshold(seed):
    """Two sets of one feature; the first row of each is where float32 decides otherwise."""
    rng = np.random.default_rng(seed)
    spread = [rng.uniform(0.0, 2.0 * THRESHOLD, (rows, 1)) for rows in (16, 9)]
    return [{"x": np.concatenate([[[THRESHOLD]], rows]).astype("f4")} for rows in spread]
