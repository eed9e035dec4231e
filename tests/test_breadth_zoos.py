from __future__ import annotations

from pathlib import Path

import pytest

from conformance.adapters import catalog
from conformance.zoo import read_zoo

ROOT = Path(__file__).parents[1]
BREADTH = ("sklearn", "pytorch_operators", "keras")


def entries(name):
    return [
        located.entry for located in read_zoo([ROOT / "zoos" / f"{name}.yaml"], catalog()).entries
    ]


def test_the_sklearn_zoo_names_every_estimator():
    """No estimator of scikit-learn is without a verdict, and none is made up."""
    pytest.importorskip("sklearn")
    from sklearn.utils import all_estimators

    named = {entry.id.partition("-")[0] for entry in entries("sklearn")}
    assert named == {name for name, _ in all_estimators()}


def test_entries_of_the_sklearn_zoo_are_what_their_ids_say():
    """Model and inputs come from the estimator that the id names."""
    for entry in entries("sklearn"):
        assert entry.source.args == {"name": entry.id}
        assert entry.inputs.args == {"name": entry.id}


def test_the_keras_zoo_names_every_layer():
    """Every layer class of Keras stands in the zoo, but for bases and other frameworks' models."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    used = str([entry.source.args for entry in entries("keras")])
    # bases, and wrappers of other frameworks' models
    others = {"Layer", "Wrapper", "InputLayer", "Lambda"}
    others |= {"TFSMLayer", "FlaxLayer", "JaxLayer", "TorchModuleWrapper"}
    layers = {
        name: kind
        for name, kind in vars(keras.layers).items()
        if isinstance(kind, type) and issubclass(kind, keras.layers.Layer) and name not in others
    }
    tried = {kind for name, kind in layers.items() if f"'{name}'" in used}
    assert not {name for name, kind in layers.items() if kind not in tried}


def test_the_keras_zoo_has_a_model_of_every_family_of_applications():
    """Every module of ``keras.applications`` that defines models is there with one of them."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    families = {
        model.__module__
        for model in vars(keras.applications).values()
        if callable(model) and hasattr(model, "__module__")
    }
    tried = {
        getattr(keras.applications, entry.id).__module__
        for entry in entries("keras")
        if "applications" in entry.tags
    }
    assert tried == families


@pytest.mark.parametrize("name", BREADTH)
def test_known_failures_of_breadth_zoos_say_which_failure_they_mean(name):
    """An expectation without a pattern would accept any failure of its stage."""
    unclear = [entry.id for entry in entries(name) if any(not e.match for e in entry.expect)]
    assert not unclear


@pytest.mark.parametrize("name", BREADTH)
def test_the_breadth_page_tells_every_known_failure(name):
    """docs/breadth.md was generated from a run of the zoo as it stands."""
    page = (ROOT / "docs" / "breadth.md").read_text(encoding="utf-8")
    section = page.split(f"## zoos/{name}.yaml")[1].split("\n## ")[0]
    told = {line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")}
    assert {entry.id for entry in entries(name) if entry.expect} <= told
