"""``conformance check``: does a hub repository ship the ONNX file, and is it still right?"""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import one_line, refuse

if TYPE_CHECKING:
    from conformance.api import OnnxVerifier
    from conformance.execution.child import Executor
    from conformance.shipped import Audit, Shipped
    from conformance.single import Place

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
    check.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="of downloads and conversions (default: $CONFORMANCE_CACHE_DIR, or the user's)",
    )
    check.add_argument("--output", type=Path, metavar="FILE", help="write the results as JSON")
    check.set_defaults(run=_check)


@dataclass(frozen=True, slots=True)
class _Result:
    """What was found out about one model; the shape of ``--output``."""

    model_id: str
    onnx_path: str
    commit: str | None
    #: "shipped", "missing", "converted", "conversion failed" or "error".
    status: str
    #: Files of that name in other folders of the repository.
    elsewhere: tuple[str, ...]
    #: Every ONNX file of the repository: path, variant, size_bytes.
    files: tuple[dict[str, Any], ...]
    local_path: str | None = None
    error: str | None = None
    audit: dict[str, Any] | None = None

    @property
    def fine(self) -> bool:
        return self.status in ("shipped", "converted") and (
            self.audit is None or bool(self.audit.get("current"))
        )


def _check(arguments: argparse.Namespace) -> int:
    from conformance.api import OnnxVerifier
    from conformance.detection import Wishes
    from conformance.execution.child import children

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
        data = {"schema_version": 1, "models": [asdict(result) for result in results]}
        try:
            arguments.output.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
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
) -> _Result:
    from conformance.api import OnnxVerificationError
    from conformance.single import Place

    wanted = arguments.onnx_path
    try:
        if not verifier.can_ship(model):  # an archive, a repository of code, what is here
            return _missing((model, wanted, None), (), (), verifier, arguments)
        shipped = verifier.shipped(model)
    except OnnxVerificationError as error:
        return _Result(model, wanted, None, "error", (), (), error=str(error))
    files = tuple(
        {"path": f.path, "variant": f.variant, "size_bytes": f.size_bytes} for f in shipped.files
    )
    about = (model, wanted, shipped.commit)
    elsewhere = shipped.elsewhere(wanted)
    if shipped.has(wanted):
        place = Place(cache_dir=verifier.cache_dir, executor=executor)
        audit = _audited(shipped, wanted, place) if arguments.audit else None
        return _Result(*about, "shipped", elsewhere, files, audit=audit)
    return _missing(about, elsewhere, files, verifier, arguments)


def _missing(
    about: tuple[str, str, str | None],
    elsewhere: tuple[str, ...],
    files: tuple[dict[str, Any], ...],
    verifier: OnnxVerifier,
    arguments: argparse.Namespace,
) -> _Result:
    from conformance.api import OnnxConversionError
    from conformance.cli.convert import progress_lines

    if not arguments.convert:
        return _Result(*about, "missing", elsewhere, files)
    config = {"model_type": arguments.model_type} if arguments.model_type else None
    try:
        path = verifier.converter.convert_model(about[0], about[1], config, progress_lines())
    except OnnxConversionError as error:
        failed = "conversion failed"
        return _Result(*about, failed, elsewhere, files, error=str(error))
    return _Result(*about, "converted", elsewhere, files, local_path=str(path))


def _audited(shipped: Shipped, path: str, place: Place) -> dict[str, Any]:
    from conformance.cli.convert import progress_lines
    from conformance.errors import ConformanceError
    from conformance.model import to_json
    from conformance.shipped import audit

    try:
        found: Audit = audit(shipped, path, place, progress_lines())
    except ConformanceError as error:
        return {"current": False, "error": str(error), "findings": []}
    return to_json(found)


def _show(result: _Result) -> None:
    from conformance.failures.wording import size_text

    def sized(file: dict[str, Any]) -> str:
        size = file["size_bytes"]
        return "size unknown" if size is None else size_text(size)

    mark = "✓" if result.fine else "✗"
    print(f"{mark} {one_line(result.model_id)}: {result.onnx_path} {result.status}")
    if result.error:
        print(f"    {one_line(result.error)}")
    if result.status == "missing" and result.elsewhere:
        print(f"    it is there as {', '.join(map(one_line, result.elsewhere))}: --onnx-path")
    for file in result.files:
        print(f"    {one_line(file['path'])}: {file['variant']}, {sized(file)}")
    if result.local_path:
        print(f"    converted: {result.local_path}")
    if result.audit is not None:
        verdict = "current" if result.audit["current"] else "differs"
        print(f"    audit: {verdict}")
        for finding in result.audit["findings"]:
            print(f"      {finding['kind']}: {one_line(finding['detail'])}")
        if result.audit.get("error"):
            print(f"      {one_line(result.audit['error'])}")
