"""Models of other places on one line: every form, and what is told of bad ones."""

from __future__ import annotations

import pytest

from conformance.cli import main
from conformance.entry import Source
from conformance.sources.spelling import (
    FORMS,
    PLACES,
    Remote,
    parse_hub_id,
    parse_remote,
    remote_of,
)

COMMIT = "c0ffee" + "0" * 34
SHA256 = "ab" * 32
DIGEST = f"#sha256={SHA256}"
HANDLE = "google/nnlm/tensorFlow2/en-dim50/1"
ARCHIVE = "https://tfhub.dev/google/nnlm-en-dim50/2?tf-hub-format=compressed"


@pytest.mark.parametrize(
    ("text", "remote", "label"),
    [
        ("hf:org/name", Remote("hub", "org/name"), "name"),
        ("hf:bert-base-uncased@v1", Remote("hub", "bert-base-uncased", "v1"), "bert-base-uncased"),
        ("hf:org/name@refs/pr/1", Remote("hub", "org/name", "refs/pr/1"), "name"),
        ("modelscope:org/name@master", Remote("modelscope", "org/name", "master"), "name"),
        (f"kaggle:{HANDLE}", Remote("kaggle", HANDLE), "nnlm-en-dim50"),
        (f"kaggle:{HANDLE}{DIGEST}", Remote("kaggle", HANDLE, sha256=SHA256), "nnlm-en-dim50"),
        (f"torch_hub:a/b@{COMMIT}", Remote("torch_hub", "a/b", COMMIT), "b"),
        (f"torch_hub:a/b@{COMMIT}#net", Remote("torch_hub", "a/b", COMMIT, "net"), "net"),
        (f"{ARCHIVE}{DIGEST}", Remote("url", ARCHIVE, sha256=SHA256), "2"),
        ("http://host:8/m/net.v2.tar.gz", Remote("url", "http://host:8/m/net.v2.tar.gz"), "net"),
        (
            "https://huggingface.co/a/b/resolve/main/m.tar.gz",
            Remote("url", "https://huggingface.co/a/b/resolve/main/m.tar.gz"),
            "m",
        ),
    ],
)  # fmt: skip
def test_each_form_is_read_and_written_alike(text, remote, label):
    """Text to value and back is the same text; the value has a short name."""
    assert parse_remote(text) == remote
    assert str(remote) == text
    assert remote.label == label


def test_an_id_of_the_hub_needs_no_kind():
    """It is the same model with and without, and as Hugging Face's own tools write it."""
    same = {parse_hub_id("org/name@v1"), parse_remote("hf:org/name@v1")}
    assert same | {parse_remote("hf://org/name@v1")} == {Remote("hub", "org/name", "v1")}


@pytest.mark.parametrize(
    "text", ["org/name", "./hf:x/y", "ms:org/name", "net.pt", "zoo.yaml#a", ""]
)
def test_what_begins_with_no_kind_is_left_to_others(text):
    """Paths, manifests and bare ids are no business of this module."""
    assert parse_remote(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hf:a/b/c", "not a hub id.*write hf:org/name"),
        ("hf:org/name@", "not the name of a branch"),
        ("hf:org/name@--upload", "not the name of a branch"),
        ("hf:org/name#part", "'#part' means nothing there; write hf:org/name"),
        ("modelscope:../a", "not a hub id.*write modelscope:org/name"),
        ("kaggle:google/nnlm", "not a Kaggle handle.*write kaggle:owner/model/framework"),
        (f"kaggle:{HANDLE}@main", "not a Kaggle handle"),
        (f"kaggle:{HANDLE}#1", "not #sha256= with the archive's digest"),
        ("torch_hub:pytorch/vision:main", "write torch_hub:owner/name@commit"),
        (f"torch_hub:a/b@{COMMIT}#a.b", "'a.b' is not the name of a function"),
        (f"torch_hub:a/b@{COMMIT}#", "'' is not the name of a function"),
        ("https://host/m.tar.gz#sha256=12", "not #sha256= with the archive's digest"),
        ("https://host/a b", "not an address.*write https://host/model"),
        ("https://host/model.onnx", "is ONNX already"),
        ("https://huggingface.co/org/name", "is a page: write .* as hf:org/name"),
        ("https://www.kaggle.com/models/google/nnlm", "is a page: write .* as kaggle:owner"),
        ("https://github.com/pytorch/vision", "is a page: write .* as torch_hub:owner/name"),
        ("https://modelscope.cn/models/a/b", "is a page: write .* as modelscope:org/name"),
    ],
)
def test_bad_forms_show_the_right_one(text, said):
    """Each error has what is wrong and how it is written."""
    with pytest.raises(ValueError, match=said):
        parse_remote(text)


def test_a_login_in_an_address_is_not_shown():
    """It is refused, and the error does not repeat it."""
    with pytest.raises(ValueError, match="not an address") as caught:
        parse_remote("https://me:very-secret@host/m.tar.gz")
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"hub": "org/name", "revision": "v1"},
        {"modelscope": "org/name"},
        {"kaggle": HANDLE, "sha256": SHA256},
        {"url": ARCHIVE, "sha256": SHA256},
        {"torch_hub": "a/b", "revision": COMMIT, "entrypoint": "net", "trust_remote_code": True},
    ],
)
def test_a_zoos_source_and_the_line_say_the_same(fields):
    """Every kind that is elsewhere has a form, and its keys are those of a zoo."""
    source = Source.model_validate(fields)
    remote = remote_of(source)
    assert remote.kind in FORMS
    assert remote.fields | dict.fromkeys(source.trusted, True) == fields
    assert parse_remote(str(remote)) == remote


def test_what_is_here_has_no_such_line():
    """A path, a factory and a local torch.hub folder are no other place."""
    local = {"torch_hub": "./nets", "entrypoint": "net", "trust_remote_code": True}
    for fields in ({"path": "net.pt"}, {"factory": "a.b:c"}, local):
        assert remote_of(Source.model_validate(fields)) is None


def test_the_commands_help_shows_every_form(capsys):
    """What `convert --help` says is what is read, for each kind."""
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    said = capsys.readouterr().out
    assert all(f"  {form:<48} {PLACES[kind]}\n" in said for kind, form in FORMS.items())
