"""The tables, the view and the functions that a benchmark database gets.

Two things differ from how such schemas are usually written down, because there they are wrong:

- ``file_size_bytes`` is a BIGINT: an INTEGER ends at 2 GiB;
- the functions hold their argument outside of any subquery. Where it stands inside one,
  ``f(model_id)`` over a table of models means the subquery's own ``model_id``, and the answer
  for one model is the answer for all.
"""

# ruff: noqa: S608  the names in these statements are ours

from __future__ import annotations

TABLE = "onnx_conversions"
VIEW = "model_onnx_registry"
RESULTS = "performance_results"
MODELS = "models"

#: Columns of :data:`TABLE`, in order, with their definitions.
COLUMNS: dict[str, str] = {
    "id": "INTEGER PRIMARY KEY",
    "model_id": "VARCHAR NOT NULL",
    "model_type": "VARCHAR",
    "onnx_path": "VARCHAR NOT NULL",
    "local_path": "VARCHAR NOT NULL",
    "conversion_time": "TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
    "conversion_config": "JSON",
    "conversion_success": "BOOLEAN DEFAULT TRUE",
    "error_message": "VARCHAR",
    "opset_version": "INTEGER",
    "file_size_bytes": "BIGINT",
    "verification_status": "VARCHAR",
    "last_used": "TIMESTAMP",
    "use_count": "INTEGER DEFAULT 1",
}

#: What benchmark results get, whatever other columns they have.
RESULT_COLUMNS: dict[str, str] = {
    "onnx_source": "VARCHAR",
    "onnx_conversion_status": "VARCHAR",
    "onnx_conversion_time": "TIMESTAMP",
    "onnx_local_path": "VARCHAR",
}

#: For a database that has none: the columns that the view reads, and a place for results.
MODEL_COLUMNS: dict[str, str] = {
    "model_id": "VARCHAR PRIMARY KEY",
    "model_name": "VARCHAR",
    "model_type": "VARCHAR",
}
NEW_RESULT_COLUMNS: dict[str, str] = {
    "id": "INTEGER PRIMARY KEY",
    "model_id": "VARCHAR",
    "created_at": "TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
}


def create_table(name: str, columns: dict[str, str]) -> str:
    """``CREATE TABLE``."""
    listed = ",\n    ".join(f"{column} {kind}" for column, kind in columns.items())
    return f"CREATE TABLE {name} (\n    {listed}\n)"


def create_view(models_columns: set[str]) -> str:
    """The view over the models that are there.

    Args:
        models_columns: of the ``models`` table. Benchmark databases number their models and have
            the hub's id as name, so a conversion belongs to the model with its id or its name.
    """
    own = {
        name: f"m.{name}" if name in models_columns else f"CAST(NULL AS VARCHAR) AS {name}"
        for name in MODEL_COLUMNS
    }
    known = [
        f"CAST(m.{name} AS VARCHAR)"
        for name in ("model_id", "model_name")
        if name in models_columns
    ]
    belongs = f"oc.model_id IN ({', '.join(known)})" if known else "FALSE"
    return f"""
CREATE OR REPLACE VIEW {VIEW} AS
SELECT
    {own["model_id"]},
    {own["model_name"]},
    {own["model_type"]},
    CASE
        WHEN oc.conversion_success THEN 'available_converted'
        WHEN oc.conversion_success = FALSE THEN 'conversion_failed'
        ELSE 'unknown'
    END AS onnx_status,
    CASE WHEN oc.conversion_success THEN oc.local_path END AS onnx_local_path,
    oc.conversion_time,
    oc.opset_version,
    oc.file_size_bytes,
    oc.use_count
FROM {MODELS} m
LEFT JOIN (
    SELECT * FROM {TABLE}
    QUALIFY conversion_success OR NOT bool_or(conversion_success) OVER (PARTITION BY model_id)
) oc ON {belongs}"""


FUNCTIONS = (
    f"""
CREATE OR REPLACE MACRO has_converted_onnx(wanted) AS
    coalesce(list_contains(
        (SELECT list(c.model_id) FROM {TABLE} c WHERE c.conversion_success), wanted), FALSE)""",
    f"""
CREATE OR REPLACE MACRO get_onnx_status(wanted) AS CASE
    WHEN coalesce(list_contains(
        (SELECT list(c.model_id) FROM {TABLE} c WHERE c.conversion_success), wanted), FALSE)
    THEN 'converted'
    WHEN coalesce(list_contains(
        (SELECT list(c.model_id) FROM {TABLE} c WHERE c.conversion_success = FALSE), wanted), FALSE)
    THEN 'conversion_failed'
    ELSE 'unknown'
END""",
)
