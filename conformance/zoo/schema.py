"""The JSON Schema of a zoo file, for editors: completion, descriptions, misspelt keys.

It is made from the same models that read a zoo. What it cannot say (unique ids, what
``defaults`` must agree with, that two files belong together) only reading a zoo finds.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from conformance.entry import ZooEntry
from conformance.gate import GateRules
from conformance.model import FrameworkInfo
from conformance.opsets import CONVERTIBLE, RANGE
from conformance.provider_options import OPTIONS, Option
from conformance.providers import PROVIDERS
from conformance.variants import VARIANTS
from conformance.zoo.files import DEFAULT_KEYS, VERSION

Schema = dict[str, Any]

ID = f"https://pytest-onnx-conformance.github.io/schemas/zoo-{VERSION}.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_JSON_TYPES = {bool: "boolean", int: "integer", str: "string", dict: "object"}


def zoo_schema(frameworks: Mapping[str, FrameworkInfo]) -> Schema:
    """JSON Schema, draft 2020-12, of a whole zoo file.

    Args:
        frameworks: the known frameworks by name.
    """
    entry = ZooEntry.model_json_schema(ref_template="#/$defs/{model}")
    definitions = entry.pop("$defs")
    properties = entry["properties"]
    # a validator, which a schema made from types does not show, admits a single mapping
    expectations = {"type": "array", "items": {"$ref": "#/$defs/Expectation"}}
    properties["expect"] |= {"anyOf": [{"$ref": "#/$defs/Expectation"}, expectations]}
    for key in ("type", "items", "default"):
        properties["expect"].pop(key, None)
    properties["framework"]["anyOf"] = [
        {"enum": list(frameworks)},
        {"pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"},
    ]
    span = {"type": "string", "pattern": RANGE}
    listed = {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "integer"}, span]}}
    properties["opsets"]["anyOf"] = [listed, span, {"type": "null"}]
    properties["variants"]["items"] = {"enum": list(VARIANTS)}
    properties["provider_options"] |= {
        "properties": {provider: _options(known) for provider, known in OPTIONS.items()},
        "additionalProperties": False,
    }
    properties["providers"]["items"] = {"enum": list(PROVIDERS)}
    for name, info in frameworks.items():
        definitions.update(_definitions(info))
        definitions[f"framework-{name}"] = _framework(info)
    entry["allOf"] = [
        {
            "if": {"properties": {"framework": {"const": name}}, "required": ["framework"]},
            "then": {"$ref": f"#/$defs/framework-{name}"},
        }
        for name in frameworks
    ]
    definitions["ZooEntry"] = entry | {"required": ["id", "source"]}
    definitions["Defaults"] = _defaults(entry)
    gate = GateRules.model_json_schema(ref_template="#/$defs/{model}")
    definitions |= gate.pop("$defs")
    definitions["GateRules"] = gate
    document: Schema = {
        "$schema": _DIALECT,
        "$id": ID,
        "title": "ONNX conformance zoo",
        "description": "Models whose conversion to ONNX is proven by pytest-onnx-conformance.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "version": {"const": VERSION, "description": "Version of this file's shape."},
            "include": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Further zoo files, relative to this one; their models come first.",
            },
            "defaults": {"$ref": "#/$defs/Defaults"},
            "gate": {"$ref": "#/$defs/GateRules"},
            "models": {
                "type": "array",
                "items": {"$ref": "#/$defs/ZooEntry"},
                "description": "The models, in the order in which they are run.",
            },
        },
        "anyOf": [
            {"required": [key], "properties": {key: {"minItems": 1}}}
            for key in ("models", "include")
        ],
        "allOf": [
            *(_given_by_default_or_entry(key) for key in ("framework", "inputs")),
            *(_default_framework(name) for name in frameworks),
        ],
        "$defs": definitions,
    }
    plain: Schema = _plain(document)
    return plain


def _options(known: Mapping[str, Option]) -> Schema:
    """What an entry may tell a provider."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _option(option) for name, option in known.items()},
    }


def _option(option: Option) -> Schema:
    schema: Schema = {"type": _JSON_TYPES[option.kind]}
    if option.default is not None:
        schema["default"] = option.default
    if option.lowest is not None:
        schema["minimum"] = option.lowest
    if option.kind is dict:
        properties = {"type": ["string", "integer"]}
        device = {"type": "object", "additionalProperties": False}
        device["properties"] = dict.fromkeys(option.known, properties)
        schema["additionalProperties"] = device
    elif option.known:
        schema["enum"] = list(option.known)
    return schema


def _defaults(entry: Schema) -> Schema:
    part = copy.deepcopy(entry)
    part["title"] = "Defaults"
    part["description"] = "For each model of this file that does not give the key itself."
    part["properties"] = {key: part["properties"][key] for key in DEFAULT_KEYS}
    del part["required"]
    return part


def _definitions(info: FrameworkInfo) -> Schema:
    """The conversion parameters of a framework, and the types that they refer to."""
    conversion = info.conversion.model_json_schema(ref_template=f"#/$defs/{info.name}-{{model}}")
    inner = conversion.pop("$defs", {})
    return {f"{info.name}-{name}": part for name, part in inner.items()} | {
        f"{info.name}-conversion": conversion
        | {"description": f"Conversion parameters of {info.name}."}
    }


def _framework(info: FrameworkInfo) -> Schema:
    """What an entry of this framework may say beyond what every entry may."""
    reachable = (*CONVERTIBLE, *info.opset_range)
    return {
        "properties": {
            "exporters": {"items": {"enum": list(info.exporters)}},
            # of those that are numbers
            "opsets": {"items": {"minimum": min(reachable), "maximum": max(reachable)}},
            "conversion": {"$ref": f"#/$defs/{info.name}-conversion"},
        }
    }


def _given_by_default_or_entry(key: str) -> Schema:
    return {
        "if": {"properties": {"defaults": {"required": [key]}}, "required": ["defaults"]},
        "else": {"properties": {"models": {"items": {"required": [key]}}}},
    }


def _default_framework(name: str) -> Schema:
    chosen = {"properties": {"framework": {"const": name}}, "required": ["framework"]}
    entry = {
        "if": {"not": {"required": ["framework"]}},
        "then": {"$ref": f"#/$defs/framework-{name}"},
    }
    return {
        "if": {"properties": {"defaults": chosen}, "required": ["defaults"]},
        "then": {"properties": {"models": {"items": entry}}},
    }


def _plain(schema: Any) -> Any:
    """Descriptions as editors show them: one line, without reStructuredText's quotes."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(value.replace("``", "`").split())
        if key == "description" and isinstance(value, str)
        else _plain(value)
        for key, value in schema.items()
    }
