"""What pydantic cannot know: the closed sets that depend on frameworks and this package.

Works on the data as written, so that these problems are found beside all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement

from conformance.entry import check_reference
from conformance.model import FrameworkInfo
from conformance.opsets import CONVERTIBLE, opsets_in
from conformance.provider_options import OPTIONS, value_problem
from conformance.providers import PROVIDERS
from conformance.variants import VARIANTS
from conformance.zoo.messages import check_model
from conformance.zoo.nodes import Node
from conformance.zoo.problems import Position
from conformance.zoo.suggest import choices, describe, quote

Flaws = Iterator[tuple[Position, str]]

#: Exporter names end in test ids and file names, tasks in pytest's marker expressions.
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_MARKER = re.compile(r"[A-Za-z_][\w-]*")
_CONVERTIBLE = range(CONVERTIBLE[0], CONVERTIBLE[1] + 1)


def check_names(entry: Node, frameworks: Mapping[str, FrameworkInfo], *, whole: bool) -> Flaws:
    """Find the values of an entry, or of ``defaults``, that nothing here goes by.

    Args:
        entry: the mapping of keys, defaults merged.
        frameworks: the known frameworks.
        whole: whether this is an entry, so that what is missing counts.
    """
    yield from _check_framework(entry, frameworks, whole=whole)
    for variant in _list(entry, "variants"):
        if isinstance(variant.value, str) and variant.value not in VARIANTS:
            tail = choices(variant.value, VARIANTS)
            yield variant.at, f"unknown variant {quote(variant.value)}{tail}"
    yield from _check_budgets(entry, whole=whole)
    yield from _check_calibration(entry, whole=whole)
    for provider in _list(entry, "providers"):
        if isinstance(provider.value, str) and provider.value not in PROVIDERS:
            tail = choices(provider.value, PROVIDERS)
            yield provider.at, f"unknown provider {quote(provider.value)}{tail}"
    yield from _check_provider_options(entry)
    for requirement in _list(entry, "requires"):
        if isinstance(requirement.value, str):
            try:
                Requirement(requirement.value)
            except InvalidRequirement:
                text = quote(requirement.value)
                yield requirement.at, f"{text} is not a requirement such as 'name>=1.0'"
    task = entry.children.get("task")
    if task is not None and isinstance(task.value, str) and not _MARKER.fullmatch(task.value):
        yield task.at, f"task {quote(task.value)} must be a word that '-m' can select"
    for key in ("exporters", "variants", "providers"):
        yield from _check_repeats(key, ((item, item.value) for item in _list(entry, key)))
    yield from _check_repeats("opsets", _opsets(entry))


def _check_provider_options(entry: Node) -> Flaws:
    """Options that a provider does not have, or not with such a value."""
    given = entry.children.get("provider_options")
    if given is None:
        return
    for provider, options in given.children.items():
        known = OPTIONS.get(provider)
        if known is None:
            tail = choices(str(provider), PROVIDERS)
            yield given.keys[provider], f"options of unknown provider {quote(str(provider))}{tail}"
            continue
        for name, value in options.children.items():
            option = known.get(name)
            if option is None:
                what = f"{provider} has no option {quote(str(name))}"
                yield options.keys[name], f"{what}{choices(str(name), known)}"
            elif problem := value_problem(option, value.value):
                where = f"provider_options.{provider}.{name}"
                yield value.at, f"{where} {problem}, not {describe(value.value)}"


def _check_budgets(entry: Node, *, whole: bool) -> Flaws:
    """Budgets of variants that have none, or that the entry does not ask for."""
    budgets = entry.children.get("budgets")
    if budgets is None or not isinstance(budgets.value, dict):
        return
    asked = [variant.value for variant in _list(entry, "variants")]
    for name, budget in budgets.children.items():
        if name not in VARIANTS:
            yield budget.at, f"budget of unknown variant {quote(name)}{choices(name, VARIANTS)}"
        elif not VARIANTS[name].lossy:
            yield budget.at, f"{name} may lose nothing: it is held to the entry's 'tolerance'"
        elif whole and name not in asked:
            yield budget.at, f"budget of {name}, which is not among the entry's 'variants'"


def _check_calibration(entry: Node, *, whole: bool) -> Flaws:
    """Calibration data of an entry that asks for nothing that is calibrated."""
    given = entry.children.get("calibration")
    calibrated = [name for name, variant in VARIANTS.items() if variant.calibrated]
    asked = [variant.value for variant in _list(entry, "variants")]
    # one by one: what is asked for may be anything
    if whole and given is not None and not any(name in asked for name in calibrated):
        names = " or ".join(calibrated)
        yield given.at, f"calibration data, but {names} is not among the entry's 'variants'"


def _check_framework(entry: Node, frameworks: Mapping[str, FrameworkInfo], *, whole: bool) -> Flaws:
    framework = entry.children.get("framework")
    if framework is None or not isinstance(framework.value, str):
        return
    if ":" in framework.value:
        yield from _check_own_adapter(entry, framework, whole=whole)
        return
    info = frameworks.get(framework.value)
    if info is None:
        tail = choices(framework.value, frameworks)
        yield framework.at, f"unknown framework {quote(framework.value)}{tail}"
        return
    for exporter in _list(entry, "exporters"):
        if isinstance(exporter.value, str) and exporter.value not in info.exporters:
            tail = choices(exporter.value, info.exporters)
            yield exporter.at, f"{info.name} has no exporter {quote(exporter.value)}{tail}"
    yield from _check_reach(entry, info)
    conversion = entry.children.get("conversion")
    if conversion is not None and isinstance(conversion.value, dict):
        yield from check_model(info.conversion, conversion, ("conversion",))[1]


def _check_reach(entry: Node, info: FrameworkInfo) -> Flaws:
    """Opsets that neither an exporter nor the version converter gives."""
    for node, opset in _opsets(entry):
        lowest, highest = info.opset_range
        if opset not in range(lowest, highest + 1) and opset not in _CONVERTIBLE:
            reach = f"{_CONVERTIBLE.start} to {_CONVERTIBLE.stop - 1}"
            exports = f"{info.name} exports {lowest} to {highest}"
            tail = f"{exports}, and converted from there can be {reach}"
            yield node.at, f"opset {opset} is out of reach: {tail}"
            return


def _opsets(entry: Node) -> Iterator[tuple[Node, int]]:
    """Each opset that an entry lists, and the number or the range that it is in."""
    node = entry.children.get("opsets")
    for item in (node, *node.items()) if node is not None else ():
        for opset in opsets_in(item.value) or ():
            yield item, opset


def _check_own_adapter(entry: Node, framework: Node, *, whole: bool) -> Flaws:
    try:
        check_reference(framework.value)
    except ValueError:
        yield framework.at, f"{quote(framework.value)} is not of the form 'pkg.module:Adapter'"
    for key in ("exporters", "opsets"):
        if whole and key not in entry.children:
            yield framework.at, f"an adapter of your own needs '{key}' in the entry"
    for exporter in _list(entry, "exporters"):
        if isinstance(exporter.value, str) and not _NAME.fullmatch(exporter.value):
            rule = "may hold only letters, digits, '.', '-' and '_'"
            yield exporter.at, f"exporter {quote(exporter.value)} {rule}"


def _check_repeats(key: str, items: Iterable[tuple[Node, object]]) -> Flaws:
    """Find what is listed twice.

    Args:
        key: of the list.
        items: each value, and where it is written.
    """
    seen = set()
    for item, value in items:
        if isinstance(value, list | dict):
            continue
        if value in seen:
            yield item.at, f"{key} lists {value} twice"
        seen.add(value)


def _list(entry: Node, key: str) -> list[Node]:
    child = entry.children.get(key)
    return [] if child is None else child.items()
