"""The command that repeats a conversion, against the parser that reads it."""

from __future__ import annotations

import shlex

import pytest

from conformance.cli import _parser
from conformance.cli.convert import _wishes
from conformance.detection import Wishes, convert_command, parse_input

INPUTS = (
    "x=float32[batch,3]:0.00000012345678..1",
    "ids=int64[batch,tokens]:-1..1000",
    "m=int64[batch]:mask",
)


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(),
        Wishes(exporter="torchscript", opset=17, variant="fp16", task="fill-mask"),
        Wishes(framework="pytorch", provider="cuda", revision="v1", allow_pickle=True),
        Wishes(inputs=dict(map(parse_input, INPUTS)), sizes={"batch": (4, 1), "tokens": (9,)}),
        Wishes(inputs=dict([parse_input("x=bool[2,2]")]), trust_remote_code=True),
    ],
)
def test_the_command_reads_as_the_same_wishes(wishes):
    """Whatever a switch says is in the certificate's command, with names quoted for a shell."""
    command = convert_command("./a model#net", wishes, 3)
    words = shlex.split(command)
    read = _parser().parse_args(words[1:])
    assert (words[0], read.model, str(read.out), read.seed) == (
        "conformance", "./a model#net", "OUT", 3,
    )  # fmt: skip
    assert _wishes(read) == wishes


def test_nothing_is_added_to_a_plain_conversion():
    """Defaults are left out."""
    assert convert_command("org/name", Wishes(), 0) == "conformance convert org/name -o OUT"
