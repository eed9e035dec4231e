"""Local models are looked at before a framework is given them."""

from __future__ import annotations

import pytest

from conformance.errors import LoadError
from conformance.sources.local import model_path, model_size_bytes

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"<html><title>404</title></html>", "is a web page, not the file"),
        (POINTER, "is a Git LFS pointer, not the file: run `git lfs pull`"),
    ],
)
@pytest.mark.parametrize("name", ["forest.joblib", "net.pt", "bert/model.safetensors"])
def test_what_is_no_model_is_named_for_what_it_is(tmp_path, name, content, what):
    """A file by itself, and a file of weights in a model's folder; no framework reads it."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    with pytest.raises(LoadError, match=f"'{name}' {what}"):
        model_path(name.partition("/")[0], tmp_path)


def test_other_files_of_a_folder_may_be_anything(tmp_path):
    """An empty package file or a page of documentation is no damaged model."""
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "card.html").write_text("<html></html>")
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    assert model_path("bert", tmp_path) == folder
    assert model_path("absent.pt", tmp_path) == tmp_path / "absent.pt"


def test_the_size_of_a_model_is_that_of_its_files_and_never_a_reason_to_fail(tmp_path):
    """A folder counts with all below it; what is absent or not the zoo's own counts nothing."""
    from zoo_cases import located

    zoo = tmp_path / "zoo"
    (zoo / "bert" / "deep").mkdir(parents=True)
    (zoo / "bert" / "config.json").write_bytes(bytes(3))
    (zoo / "bert" / "deep" / "model.safetensors").write_bytes(bytes(40))
    (tmp_path / "outside.pt").write_bytes(bytes(5))
    (zoo / "link.pt").symlink_to(tmp_path / "outside.pt")

    def size(**source):
        return model_size_bytes(located("Honest", source=source).case.entry, zoo)

    assert size(path="bert") == 43
    assert size(path="bert/config.json") == 3
    assert size(path="absent") == size(path="link.pt") == size(factory="a:b") == 0
