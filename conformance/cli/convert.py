"""``conformance convert``: one model, converted, proven, and written with its certificate."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.switches import add_cache_dir
from conformance.cli.words import counted, one_line, refuse

if TYPE_CHECKING:
    from conformance.detection import Wishes
    from conformance.evidence import ParityReport
    from conformance.single import Certificate, Conversion, ConversionFailed, Listener, Progressed

_EPILOG = """\
examples:
  conformance convert org/name -o out                    a model of the Hugging Face hub
  conformance convert hf:org/name@v1 -o out              the same, at a branch, tag or commit
  conformance convert modelscope:org/name -o out
  conformance convert kaggle:google/nnlm/tensorFlow2/en-dim50/1 -o out
  conformance convert https://host/saved-model.tar.gz -o out
  conformance convert torch_hub:owner/name@COMMIT#resnet18 -o out --trust-remote-code \\
      --input x=float32[batch,3,224,224]
  conformance convert ./clone#resnet18 -o out --trust-remote-code ...  a folder with hubconf.py
  conformance convert ./saved-model -o out --opset 20    a folder that save_pretrained wrote
  conformance convert digits.keras -o out --json -       the certificate on standard output
  conformance convert model_zoo.yaml#bert-tiny -o out    an entry of a zoo file
  conformance convert traced.pt -o out --input images=float32[batch,3,32,32]:0..1
  conformance convert forest.joblib -o out --allow-pickle

inputs are found out from the model's configuration or signature. Where a model does not tell,
or the ranges matter, --input says it: NAME=DTYPE[SIZES], a name among the sizes standing for a
dynamic axis; then :LOW..HIGH, :mask, :ones or :zeros. --size tokens=9,16,4 sets an axis.

OUT is written whole or not at all: model.onnx, its external data, and certificate.json.

exit code:
   0  converted and proven
   2  wrong usage, or the output folder is something else
   3  what MODEL is, or what it takes, cannot be told: nothing was converted
  10  load: the model cannot be read or built
  11  inputs: no input sets for it
  12  reference: the source framework cannot run it
  13  export: the exporter failed
  14  check: the exported file is not the model that was asked for
  15  session: ONNX Runtime cannot run it
  16  parity: it does not answer what the source answers, or nothing is proven by it
  17  optimize: the variant of the model cannot be made
  30  network, disk, or a killed process: nothing is said about the model
  31  a package or the execution provider is not installed"""


def add_convert(commands: Any) -> None:
    """Add ``convert``."""
    convert = commands.add_parser(
        "convert",
        help="convert one model to ONNX and prove it",
        description="Converts MODEL to ONNX with the engine and the cache of a zoo run, compares\n"
        "every output with the source's, and writes the model with its certificate.\n\n"
        "MODEL is a manifest (file.yaml#id), a local file or folder (Transformers, SavedModel,\n"
        ".keras .h5, .pt .pth .pt2, .skops .joblib, hubconf.py), or a model of another place:\n"
        "  hf:org/name[@revision]                           the Hugging Face hub\n"
        "  modelscope:org/name[@revision]                   ModelScope\n"
        "  kaggle:owner/model/framework/variation/version   Kaggle\n"
        "  torch_hub:owner/name@commit[#entrypoint]         a GitHub repository with hubconf.py\n"
        "  https://host/model.tar.gz[#sha256=digest]        an archive of a SavedModel\n"
        "org/name alone is a path that is here, or else the Hugging Face hub's.",
        epilog=_EPILOG,
    )
    convert.add_argument(
        "model", metavar="MODEL", help="manifest, file, folder, or model of another place"
    )
    convert.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="folder that is written"
    )
    for name, text in (
        ("--framework", "what it is, where a folder could be several models"),
        ("--exporter", "of the framework, such as dynamo or torchscript"),
        ("--variant", "form of the converted model (default: fp32)"),
        ("--provider", "execution provider that it is proven on (default: cpu)"),
        ("--revision", "branch, tag or commit of a repository, as @NAME behind MODEL"),
        ("--task", "what it is for: decides which decisions are compared, such as labels"),
    ):
        convert.add_argument(name, metavar="NAME", help=text)
    convert.add_argument("--opset", type=int, metavar="N", help="of the default ONNX domain")
    convert.add_argument(
        "--input",
        type=_parsed("parse_input"),
        action="append",
        default=[],
        metavar="SPEC",
        help="an input that the model does not tell, may be repeated",
    )
    convert.add_argument(
        "--size",
        type=_parsed("parse_size"),
        action="append",
        default=[],
        metavar="AXIS=N,N",
        help="sizes of a dynamic axis in the input sets, the first of which is traced",
    )
    convert.add_argument(
        "--allow-pickle",
        action="store_true",
        help="read formats that run code when they are loaded",
    )
    convert.add_argument(
        "--trust-remote-code", action="store_true", help="run Python code that the model brings"
    )
    convert.add_argument("--offline", action="store_true", help="use only what is kept")
    convert.add_argument(
        "--keep-failed",
        action="store_true",
        help="write what there is though it is not proven, and what shows the failure",
    )
    add_cache_dir(convert, "of downloads and bundles")
    convert.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the inputs (default: 0)"
    )
    convert.add_argument(
        "--json", metavar="PATH", help="write the certificate also here; - for stdout"
    )
    convert.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    convert.set_defaults(run=_convert)


def _parsed(function: str) -> Callable[[str], Any]:
    """A type of argparse that is imported when it is used."""

    def parse(text: str) -> Any:
        from conformance import detection

        try:
            return getattr(detection, function)(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def _convert(arguments: argparse.Namespace) -> int:
    from conformance.locations import default_cache_dir
    from conformance.single import ConversionFailed, OutputRefused, Place, convert

    place = Place(
        cache_dir=arguments.cache_dir or default_cache_dir(),
        offline=arguments.offline,
        seed=arguments.seed,
        keep_failed=arguments.keep_failed,
    )
    listener = None if arguments.quiet else progress_lines()
    try:
        done = convert(arguments.model, arguments.out, _wishes(arguments), place, listener)
    except OutputRefused as error:
        return refuse(error)
    except ConversionFailed as error:
        return _failed(error, arguments)
    if not _json(done.certificate, arguments):
        return 2
    if arguments.json != "-":
        _show(done)
    return 0


def _wishes(arguments: argparse.Namespace) -> Wishes:
    from conformance.detection import Wishes

    return Wishes(
        framework=arguments.framework,
        exporter=arguments.exporter,
        opset=arguments.opset,
        variant=arguments.variant,
        provider=arguments.provider,
        revision=arguments.revision,
        task=arguments.task,
        allow_pickle=arguments.allow_pickle,
        trust_remote_code=arguments.trust_remote_code,
        inputs=dict(arguments.input),
        sizes=dict(arguments.size),
    )


def progress_lines() -> Listener:
    """Tell each step on standard error, with its seconds once it has ended."""

    def tell(progressed: Progressed) -> None:
        if progressed.seconds is not None:
            sys.stderr.write(f"{progressed.step:<9} {progressed.seconds:6.1f} s\n")
        elif sys.stderr.isatty():
            # the line of its end is written over it
            sys.stderr.write(f"{progressed.step:<9} ...\r")
        sys.stderr.flush()

    return tell


def _failed(error: ConversionFailed, arguments: argparse.Namespace) -> int:
    certificate = error.certificate
    if certificate is not None:
        _json(certificate, arguments)
        for line in (certificate.record.details or "").splitlines():
            sys.stderr.write(f"  {one_line(line)}\n")
        if certificate.record.explanation is not None:
            sys.stderr.write(f"cause: {one_line(certificate.record.explanation.summary)}\n")
    code = refuse(error, error.exit_code)
    if arguments.keep_failed and certificate is not None:
        sys.stderr.write(f"kept in {arguments.out}, not proven\n")
    return code


def _json(certificate: Certificate, arguments: argparse.Namespace) -> bool:
    """Write the certificate where ``--json`` says; whether that worked."""
    from conformance.model import to_json

    if arguments.json is None:
        return True
    text = json.dumps(to_json(certificate), indent=1, ensure_ascii=False)
    if arguments.json == "-":
        print(text)
        return True
    try:
        Path(arguments.json).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        refuse(f"{arguments.json} cannot be written: {error.strerror}")
        return False
    return True


def _show(done: Conversion) -> None:
    from conformance.failures.wording import size_text

    certificate = done.certificate
    for line in certificate.detection:
        print(one_line(line))
    size = sum(file.size_bytes for file in certificate.files.values())
    print(f"{certificate.verdict.glyph} {one_line(certificate.case)}: {certificate.verdict}")
    if certificate.record.parity is not None:
        print(_compared(certificate.record.parity))
    print(f"{done.model} ({size_text(size)})")
    print(done.certificate_file)


def _compared(report: ParityReport) -> str:
    ratios = [o.ratio for o in report.outputs if o.ratio is not None]
    worst = f", worst error {max(ratios):.2f} of its limit" if ratios else ""
    names = ", ".join(one_line(output.name) for output in report.outputs[:4])
    more = ", ..." if len(report.outputs) > 4 else ""  # noqa: PLR2004 - a line
    outputs = counted(len(report.outputs), "output")
    return f"  {outputs} ({names}{more}) on {counted(report.data_sets, 'input set')}{worst}"
