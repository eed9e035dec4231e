"""``conformance check``: does a hub repository ship the ONNX file, and is it still right?"""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.switches import add_cache_dir
from conformance.cli.words import one_line, refuse

if TYPE_CHECKING:
    from conformance.api import OnnxVerifier
    from conformance.execution.child import Executor
    from conformance.shipped import Checked, OnnxFile, Shipped
    from conformance.shipped.results import Status

_MISSING = 1
_COMMENT = re.compile(r"(?:^|\s)#")


def add_check(commands: Any) -> None:
    """Add ``check``."""
    check = commands.add_parser(
        "check",
        help="find out whether hub models ship an ONNX file, in which variants and sizes",
        description="Asks the Hugging Face hub, or ModelScope, which ONNX files the repositories\n"
        "of some models ship. Where the one that is asked for is missing, --convert\n"
        "makes it here and keeps it in the registry. --audit does not take a shipped\n"
        "file's word: it is run against the repository's current weights (stale, other\n"
        "pooling, other dtype).",
        epilog="examples:\n"
        "  conformance check --model bert-base-uncased --onnx-path model.onnx\n"
        "  conformance check --models bert-base-uncased t5-small --convert\n"
        "  conformance check --model-file models.txt --convert --cache-dir ./onnx_cache\n"
        "  conformance check --models bert-base-uncased t5-small --output results.json\n"
        "  conformance check --model org/embedder --onnx-path onnx/model.onnx --audit\n"
        "  conformance check --models org/name@v1 modelscope:org/name\n\n"
        "an ID is org/name of the hub, or any MODEL of `conformance convert`. What is of no\n"
        "repository, such as an archive, ships no ONNX file; --convert makes one.\n\n"
        "HF_ENDPOINT and HF_TOKEN say which hub is asked, and as whom.\n\n"
        "exit code: 0 when every file is shipped or was converted, and every audited one is\n"
        "           current; 1 when one is missing, failed or differs; 2 for wrong usage",
    )
    which = check.add_argument_group("models")
    which.add_argument("--model", action="append", default=[], metavar="ID", help="a model")
    which.add_argument("--models", nargs="+", default=[], metavar="ID", help="several")
    which.add_argument(
        "--model-file", type=Path, metavar="FILE", help="one id per line; # begins a comment"
    )
    check.add_argument(
        "--onnx-path",
        default="model.onnx",
        metavar="PATH",
        help="the file that is asked for, in the repository (default: model.onnx)",
    )
    check.add_argument("--revision", metavar="NAME", help="branch, tag or commit (default: main)")
    check.add_argument("--convert", action="store_true", help="convert where it is missing")
    check.add_argument(
        "--model-type", metavar="TYPE", help="for --convert, such as bert: whose axes are meant"
    )
    check.add_argument(
        "--audit", action="store_true", help="compare shipped files with the current weights"
    )
    add_cache_dir(check, "of downloads and conversions")
    check.add_argument("--output", type=Path, metavar="FILE", help="write the results as JSON")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from conformance.api import OnnxVerifier
    from conformance.detection import Wishes
    from conformance.execution.child import children
    from conformance.model import to_json
    from conformance.shipped import CheckResults

    try:
        models = _models(arguments)
    except OSError as error:
        return refuse(f"{arguments.model_file} cannot be read: {error.strerror}")
    if not models:
        return refuse("no models: give --model, --models or --model-file")
    results = []
    executor = children()  # one for all models: their framework is imported once
    try:
        wishes = Wishes(revision=arguments.revision)
        verifier = OnnxVerifier(arguments.cache_dir, wishes=wishes, executor=executor)
        for model in models:
            result = _checked(model, verifier, arguments, executor)
            results.append(result)
            _show(result)
    finally:
        executor.close()
    if arguments.output is not None:
        text = json.dumps(to_json(CheckResults(tuple(results))), indent=1)
        try:
            arguments.output.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            return refuse(f"{arguments.output} cannot be written: {error.strerror}")
    return 0 if all(result.fine for result in results) else _MISSING


def _models(arguments: argparse.Namespace) -> list[str]:
    """Every model once, in the order in which they were named."""
    named = [*arguments.model, *arguments.models]
    if arguments.model_file is not None:
        lines = arguments.model_file.read_text(encoding="utf-8").splitlines()
        # a '#' within a name is a part of it: model_zoo.yaml#bert
        named += [text for line in lines if (text := _COMMENT.split(line)[0].strip())]
    return list(dict.fromkeys(named))


def _checked(
    model: str, verifier: OnnxVerifier, arguments: argparse.Namespace, executor: Executor
) -> Checked:
    from conformance.api import OnnxVerificationError
    from conformance.shipped import Checked

    wanted = arguments.onnx_path
    try:
        if not verifier.can_ship(model):  # an archive, a repository of code, what is here
            reason = "it is no repository of files, among which one could be: --convert makes it"
            found = Checked(model, wanted, None, "missing", error=reason)
            return _missing(found, verifier, arguments)
        shipped = verifier.shipped(model)
    except OnnxVerificationError as error:
        return Checked(model, wanted, None, "error", error=str(error))
    status: Status = "shipped" if shipped.has(wanted) else "missing"
    elsewhere = shipped.elsewhere(wanted)
    found = Checked(model, wanted, shipped.commit, status, elsewhere, shipped.files)
    if status == "missing":
        return _missing(found, verifier, arguments)
    return _audited(found, shipped, verifier.cache_dir, executor) if arguments.audit else found


def _missing(found: Checked, verifier: OnnxVerifier, arguments: argparse.Namespace) -> Checked:
    """What becomes of a model that ships no such file."""
    from conformance.api import OnnxConversionError
    from conformance.cli.convert import progress_lines

    if not arguments.convert:
        return found
    config = {"model_type": arguments.model_type} if arguments.model_type else None
    asked = (found.model_id, found.onnx_path, config)
    try:
        path = verifier.converter.convert_model(*asked, progress_lines())
    except OnnxConversionError as error:
        return replace(found, status="conversion failed", error=str(error))
    return replace(found, status="converted", error=None, local_path=str(path))


def _audited(found: Checked, shipped: Shipped, cache_dir: Path, executor: Executor) -> Checked:
    from conformance.cli.convert import progress_lines
    from conformance.errors import ConformanceError
    from conformance.shipped import audit
    from conformance.single import Place

    place = Place(cache_dir=cache_dir, executor=executor)
    try:
        return replace(found, audit=audit(shipped, found.onnx_path, place, progress_lines()))
    except ConformanceError as error:
        return replace(found, error=f"it cannot be audited: {error}")


def _show(result: Checked) -> None:
    from conformance.failures.wording import size_text

    def sized(file: OnnxFile) -> str:
        return "size unknown" if file.size_bytes is None else size_text(file.size_bytes)

    mark = "✓" if result.fine else "✗"
    print(f"{mark} {one_line(result.model_id)}: {result.onnx_path} {result.status}")
    if result.error:
        print(f"    {one_line(result.error)}")
    if result.status == "missing" and result.elsewhere:
        print(f"    it is there as {', '.join(map(one_line, result.elsewhere))}: --onnx-path")
    for file in result.files:
        print(f"    {one_line(file.path)}: {file.variant}, {sized(file)}")
    if result.local_path:
        print(f"    converted: {result.local_path}")
    if result.audit is not None:
        print(f"    audit: {'current' if result.audit.current else 'differs'}")
        for finding in result.audit.findings:
            print(f"      {finding.kind}: {one_line(finding.detail)}")
