"""What people and programs read of a run: one module per form, all from a RunReport."""

from conformance.reporters.html import report_html
from conformance.reporters.json import report_json
from conformance.reporters.publish import write_reports

__all__ = ["report_html", "report_json", "write_reports"]
