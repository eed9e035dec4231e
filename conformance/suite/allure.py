"""Parameters, labels and attachments for Allure, where its plugin is active."""

from __future__ import annotations

import json
import sys

from conformance.model import Record, to_json


def describe(record: Record) -> None:
    """Describe the running test to Allure; does nothing unless ``allure-pytest`` is loaded."""
    if "allure_pytest" not in sys.modules:
        return
    import allure

    ref = record.ref
    allure.dynamic.title(f"{ref.test} of {ref.id}")
    for name in ("framework", "model", "exporter", "opset", "variant", "provider"):
        allure.dynamic.parameter(name, getattr(ref, name))
    allure.dynamic.tag(*ref.tags, *([ref.task] if ref.task else []))
    allure.dynamic.parent_suite(ref.framework)
    allure.dynamic.suite(ref.model)
    allure.dynamic.sub_suite(str(ref.test))
    if record.link:
        allure.dynamic.issue(record.link)
    allure.attach(
        json.dumps(to_json(record), indent=1),
        name="record.json",
        attachment_type=allure.attachment_type.JSON,
    )
