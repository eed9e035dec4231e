"""pydantic's errors to one plain sentence each, with the position of what is wrong."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from conformance.zoo.nodes import Node
from conformance.zoo.problems import Position
from conformance.zoo.suggest import choices, describe, did_you_mean, quote

Path = tuple[str | int, ...]

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "date_type": "a date such as 2027-01-31",
    "date_parsing": "a date such as 2027-01-31",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def check_model(
    model: type[BaseModel], node: Node, prefix: Path = ()
) -> tuple[Any, list[tuple[Position, str]]]:
    """Read ``node`` as ``model``, taking YAML's types as they are: '18' is no number.

    Args:
        model: what to read it as.
        node: the mapping to read.
        prefix: where ``node`` stands in its entry, for names such as ``conversion.dynamo``.

    Returns:
        The model, or ``None``, and what is wrong with the data.
    """
    try:
        # as JSON, because only there does pydantic's strict mode read a list as a tuple
        return model.model_validate_json(to_json(node.value), strict=True), []
    except ValidationError as error:
        return None, list(_flaws(model, node, error, prefix))


def _flaws(
    model: type[BaseModel], node: Node, error: ValidationError, prefix: Path
) -> Iterator[tuple[Position, str]]:
    alternatives: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        found, key_at, walked = node.find(location)
        name = _name(prefix + walked)
        if detail["type"] == "too_short" and found.value:
            continue  # pydantic adds it to a list whose items are all wrong
        if detail["type"] == "extra_forbidden":
            yield key_at, _unknown_key(model, walked, prefix)
        elif detail["type"] == "missing":
            owner = name or "a model"
            yield found.at, f"{owner} needs '{location[-1]}'"
        elif location[-1:] == ("[key]",):
            key = quote(str(walked[-1]))
            yield key_at, f"the key {key} in {_name(prefix + walked[:-1])} {_must(detail)}"
        elif walked != location:  # what is left of it names a member of a union
            alternatives.setdefault(walked, []).append(detail)
        else:
            yield found.at, _sentence(name, detail)
    for walked, details in alternatives.items():
        # of "a number from 0" and "text", the one whose type fits says more about -1
        fitting = [d for d in details if d["type"] not in {*_TYPES, "literal_error"}] or details
        found, _, _ = node.find(walked)
        wanted = " or ".join(dict.fromkeys(_must(d).removeprefix("must be ") for d in fitting))
        value = describe(found.value)
        yield found.at, f"{_name(prefix + walked)} must be {wanted}, not {value}"


def _name(path: Path) -> str:
    """``inputs.sets[1].n`` for a path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(name: str, detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        # validators often name the key themselves: "id 'a/b' may hold only ..."
        return message if not name or message.startswith(f"{name} ") else f"{name}: {message}"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        word = detail["input"]
        tail = choices(word, known) if isinstance(word, str) else f"; known: {', '.join(known)}"
        return f"{name} cannot be {describe(word)}{tail}"
    if kind in {"too_short", "string_too_short"}:
        return f"{name} must not be empty"
    if kind == "string_too_long":
        return f"{name} must have at most {detail['ctx']['max_length']} characters"
    value = describe(detail["input"])
    return f"{name} {_must(detail)}, not {value}"


def _must(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"must be {words} {detail['ctx'][bound]:g}"
    if kind == "literal_error":
        return f"must be {detail['ctx']['expected']}"
    if kind == "string_pattern_mismatch":
        return f"must match {detail['ctx']['pattern']}"
    return f"is refused: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _unknown_key(model: type[BaseModel], location: Path, prefix: Path) -> str:
    key = str(location[-1])
    kind: Any = model
    for part in location[:-1]:
        kind = _inside(kind, part)
    known = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else ()
    where = _name(prefix + location[:-1])
    return f"unknown key {quote(key)}{f' in {where}' if where else ''}{did_you_mean(key, known)}"


def _inside(kind: Any, part: str | int) -> Any:
    """The type of what ``part`` leads to in a value of type ``kind``; ``Any`` if unknown."""
    arguments = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        kind = field.annotation if field else Any
    elif get_origin(kind) is dict:
        kind = arguments[1]
    else:
        kind = arguments[0] if get_origin(kind) is tuple else Any
    if get_origin(kind) in (types.UnionType, Union):
        kind = next(option for option in get_args(kind) if option is not types.NoneType)
    return kind
