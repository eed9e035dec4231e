from __future__ import annotations

import sys
from itertools import count

import pytest

from conformance.entry import Source
from conformance.errors import LoadError
from conformance.sources.factory import build, load_reference

_numbers = count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a module into a zoo folder of its own; returns the module's unique name."""
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def write(text: str) -> str:
        name = f"zoo_factory_{next(_numbers)}"
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "models.py").write_text(text)
        return f"{name}.models"

    return write


def test_a_reference_is_imported_from_the_zoo_folder(package, tmp_path):
    """A factory beside the zoo file is found without being installed."""
    name = package("def tiny():\n    return 'model'\n")
    assert load_reference(f"{name}:tiny", tmp_path)() == "model"


def test_a_dotted_attribute_is_followed(package, tmp_path):
    """A reference may name a member of a class."""
    name = package("class Zoo:\n    @staticmethod\n    def tiny():\n        return 7\n")
    assert load_reference(f"{name}:Zoo.tiny", tmp_path)() == 7


def test_a_missing_top_level_module_is_named(tmp_path, monkeypatch):
    """An unknown package is named together with the folder that was searched."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    with pytest.raises(LoadError) as caught:
        load_reference("no_such_package_here:model", tmp_path)
    assert "no module 'no_such_package_here'" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_misspelt_module_gets_a_suggestion(package, tmp_path):
    """A submodule that is nearly right is corrected."""
    name = package("").removesuffix(".models")
    with pytest.raises(LoadError, match=rf"no module '{name}.model'.*did you mean '{name}.models'"):
        load_reference(f"{name}.model:tiny", tmp_path)


def test_a_misspelt_attribute_gets_a_suggestion(package, tmp_path):
    """A function that is nearly right is corrected."""
    name = package("def tiny_model():\n    return 1\n")
    with pytest.raises(LoadError, match=r"has no 'tiny_modle'; did you mean 'tiny_model'\?"):
        load_reference(f"{name}:tiny_modle", tmp_path)


def test_a_dependency_of_the_module_is_not_mistaken_for_the_module(package, tmp_path):
    """A package that the module imports in vain is what the message names."""
    name = package("import no_such_dependency\n")
    with pytest.raises(LoadError, match=f"importing '{name}' failed: .*'no_such_dependency'"):
        load_reference(f"{name}:tiny", tmp_path)


def test_a_module_that_raises_keeps_its_traceback(package, tmp_path):
    """What a module raises on import is reported and chained."""
    name = package("raise RuntimeError('broken on purpose')\n")
    with pytest.raises(LoadError, match="raised RuntimeError: broken on purpose") as caught:
        load_reference(f"{name}:tiny", tmp_path)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_factory_gets_its_arguments(package, tmp_path):
    """The arguments of the entry reach the factory by keyword."""
    name = package("def tiny(depth, width=2):\n    return (depth, width)\n")
    source = Source(factory=f"{name}:tiny", args={"depth": 3})
    assert build(source, tmp_path) == (3, 2)


def test_what_is_not_callable_is_refused(package, tmp_path):
    """A constant in a factory's place is named with its type."""
    name = package("tiny = 3\n")
    with pytest.raises(LoadError, match=f"'{name}:tiny' is a int, not a function"):
        build(Source(factory=f"{name}:tiny"), tmp_path)


def test_a_factory_that_raises_is_named_with_its_exception(package, tmp_path):
    """The message names factory and exception, and the traceback stays chained."""
    name = package("def tiny():\n    raise KeyError('weights')\n")
    with pytest.raises(LoadError, match=f"'{name}:tiny' raised KeyError: 'weights'") as caught:
        build(Source(factory=f"{name}:tiny"), tmp_path)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__cause__.__traceback__ is not None


def test_a_factory_that_returns_nothing_is_refused(package, tmp_path):
    """A forgotten return statement is told at once."""
    name = package("def tiny():\n    pass\n")
    with pytest.raises(LoadError, match="returned None"):
        build(Source(factory=f"{name}:tiny"), tmp_path)


def test_a_source_without_factory_is_refused(tmp_path):
    """Only factory sources can be built."""
    with pytest.raises(LoadError, match="is a path, not a factory"):
        build(Source(path="model.pt"), tmp_path)
