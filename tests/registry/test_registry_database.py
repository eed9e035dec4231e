"""The benchmark database: schema, migration of what is there, and answers for two models."""

from __future__ import annotations

import pytest

from conformance.cli import main
from conformance.registry import (
    ConversionRegistry,
    DatabaseProblem,
    RegistryEntry,
    has_onnx_schema,
    store_result,
    update_schema,
)

duckdb = pytest.importorskip("duckdb")

COLUMNS = (
    "id", "model_id", "model_type", "onnx_path", "local_path", "conversion_time",
    "conversion_config", "conversion_success", "error_message", "opset_version",
    "file_size_bytes", "verification_status", "last_used", "use_count",
)  # fmt: skip
RESULT_COLUMNS = (
    "onnx_source", "onnx_conversion_status", "onnx_conversion_time", "onnx_local_path",
)  # fmt: skip
#: As such databases are described: sizes in an INTEGER, and models that are numbered.
OLDER = """
CREATE TABLE models (model_id INTEGER PRIMARY KEY, model_name VARCHAR, model_type VARCHAR);
INSERT INTO models VALUES (1, 'org/bert', 'bert'), (2, 'org/t5', 't5'), (3, 'org/vit', 'vit');
CREATE TABLE performance_results (id INTEGER PRIMARY KEY, model_id INTEGER, latency_ms DOUBLE);
INSERT INTO performance_results VALUES (1, 1, 2.5), (2, 2, 7.0);
CREATE TABLE onnx_conversions (
    id INTEGER PRIMARY KEY,
    model_id VARCHAR NOT NULL,
    onnx_path VARCHAR NOT NULL,
    local_path VARCHAR NOT NULL,
    conversion_success BOOLEAN DEFAULT TRUE,
    file_size_bytes INTEGER,
    use_count INTEGER DEFAULT 1
);
INSERT INTO onnx_conversions VALUES (4, 'org/bert', 'model.onnx', '/old', TRUE, 438000000, 3);
"""


@pytest.fixture
def older(tmp_path):
    """A benchmark database with rows, of before."""
    path = tmp_path / "benchmark.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(OLDER)
    return path


@pytest.fixture
def registry(tmp_path):
    """One conversion above 4 GiB, and one that failed."""
    registry = ConversionRegistry(tmp_path / "cache")
    made = "2025-11-02T10:00:00+01:00"
    registry.record(RegistryEntry("org/gpt2", "model.onnx", "/gpt2", made, file_size_bytes=5 << 30))
    failed = {"conversion_success": False, "error_message": "fail at export: no such op"}
    registry.record(RegistryEntry("org/t5", "model.onnx", "", made, **failed))
    return registry


def rows(path, query):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def names(path, table):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.table(table).columns


def test_a_new_database_gets_everything(tmp_path):
    """Table, columns, view and functions are there after one run, and a second changes nothing."""
    path = tmp_path / "new.duckdb"
    assert update_schema(path).changes
    assert tuple(names(path, "onnx_conversions")) == COLUMNS
    assert set(RESULT_COLUMNS) < set(names(path, "performance_results"))
    assert rows(path, "SELECT * FROM model_onnx_registry") == []
    assert rows(path, "SELECT has_converted_onnx('x'), get_onnx_status('x')") == [
        (False, "unknown")
    ]
    assert update_schema(path).changes == ()


def test_what_is_there_is_kept(older):
    """Rows of before are untouched, get the missing columns, and no made-up times."""
    update_schema(older)
    assert set(names(older, "onnx_conversions")) == set(COLUMNS)
    assert rows(
        older, "SELECT id, latency_ms, onnx_source FROM performance_results ORDER BY 1"
    ) == [
        (1, 2.5, None),
        (2, 7.0, None),
    ]
    kept = rows(
        older, "SELECT id, local_path, file_size_bytes, use_count, conversion_time "
        "FROM onnx_conversions"
    )  # fmt: skip
    assert kept == [(4, "/old", 438000000, 3, None)]


def test_sizes_above_two_gibibytes_fit(older, registry):
    """An INTEGER column of before becomes a BIGINT, so that a large model can be kept."""
    changes = update_schema(older, registry.path).changes
    assert "column onnx_conversions.file_size_bytes, INTEGER to BIGINT" in changes
    found = rows(older, "SELECT file_size_bytes FROM onnx_conversions WHERE model_id = 'org/gpt2'")
    assert found == [(5 << 30,)]


def test_the_registry_is_taken_over_once(older, registry):
    """Conversions, failures with their message among them, are added once; uses follow."""
    first = update_schema(older, registry.path)
    assert (first.added, first.updated) == (2, 0)
    again = update_schema(older, registry.path)
    assert (again.changes, again.added, again.updated) == ((), 0, 0)
    registry.used("org/gpt2:model.onnx")
    assert update_schema(older, registry.path).updated == 1
    found = rows(
        older,
        "SELECT model_id, conversion_success, error_message, use_count, last_used IS NOT NULL, "
        "conversion_time::VARCHAR FROM onnx_conversions ORDER BY id",
    )
    utc = "2025-11-02 09:00:00"
    assert found == [
        ("org/bert", True, None, 3, False, None),
        ("org/gpt2", True, None, 2, True, utc),
        ("org/t5", False, "fail at export: no such op", 1, False, utc),
    ]


def test_what_the_table_knows_better_is_kept(older, tmp_path):
    """A registry of another tool that says less of a conversion takes nothing from its row."""
    update_schema(older)
    with duckdb.connect(str(older)) as connection:
        connection.execute(
            "UPDATE onnx_conversions "
            "SET last_used = '2025-06-01', opset_version = 17, use_count = 9"
        )
    registry = ConversionRegistry(tmp_path / "cache")
    made = "2025-03-01T00:00:00+00:00"
    registry.record(RegistryEntry("org/bert", "model.onnx", "/new", made, use_count=2))
    assert update_schema(older, registry.path).updated == 1, "the time of the conversion is new"
    found = rows(
        older,
        "SELECT local_path, opset_version, use_count, last_used::VARCHAR, file_size_bytes, "
        "conversion_time::VARCHAR FROM onnx_conversions",
    )
    assert found == [("/new", 17, 9, "2025-06-01 00:00:00", 438000000, "2025-03-01 00:00:00")]
    assert update_schema(older, registry.path).updated == 0


def test_the_functions_answer_for_each_model(older, registry):
    """Over a column that is called as the table's own, each model gets its own answer."""
    update_schema(older, registry.path)
    found = rows(
        older,
        "SELECT model_id, has_converted_onnx(model_id), get_onnx_status(model_id) FROM "
        "(VALUES ('org/bert'), ('org/t5'), ('org/none'), (NULL)) AS asked(model_id)",
    )
    assert found == [
        ("org/bert", True, "converted"),
        ("org/t5", False, "conversion_failed"),
        ("org/none", False, "unknown"),
        (None, False, "unknown"),
    ]


def test_the_functions_of_before_are_replaced(older):
    """A function whose parameter shadows the column says the same of every model; ours does not."""
    shadowed = (
        "CREATE MACRO has_converted_onnx(model_id) AS EXISTS (SELECT 1 FROM onnx_conversions c "
        "WHERE c.model_id = c.model_id AND conversion_success)"
    )
    with duckdb.connect(str(older)) as connection:
        connection.execute(shadowed)
        query = "SELECT has_converted_onnx('org/none')"
        assert connection.execute(query).fetchone() == (True,)
    update_schema(older)
    assert rows(older, query) == [(False,)]


def test_the_view_shows_models_by_id_or_name(older, registry):
    """Numbered models find their conversions by name; a failed one is not called available."""
    update_schema(older, registry.path)
    found = rows(
        older,
        "SELECT model_id, model_name, onnx_status, onnx_local_path, use_count "
        "FROM model_onnx_registry ORDER BY 1",
    )
    assert found == [
        (1, "org/bert", "available_converted", "/old", 3),
        (2, "org/t5", "conversion_failed", None, 1),
        (3, "org/vit", "unknown", None, None),
    ]


def test_a_result_says_where_its_model_is_from(older):
    """A stored result fills the columns that are there, and needs the schema to be told of it."""
    fields = {"model_id": 1, "latency_ms": 1.5, "onnx_source": "huggingface", "other": 3}
    with duckdb.connect(str(older)) as connection:
        assert not has_onnx_schema(connection)
    update_schema(older)
    with duckdb.connect(str(older)) as connection:
        assert has_onnx_schema(connection)
    store_result(older, fields)
    found = rows(older, "SELECT id, latency_ms, onnx_source FROM performance_results WHERE id > 2")
    assert found == [(3, 1.5, "huggingface")]


def test_what_cannot_be_changed_is_left_alone(tmp_path, older):
    """A file that is no database, a missing registry and a missing table are errors."""
    other = tmp_path / "notes.txt"
    other.write_text("no database, but text that is long enough to be looked at" * 99)
    with pytest.raises(DatabaseProblem, match=r"notes\.txt' cannot be opened"):
        update_schema(other)
    with pytest.raises(DatabaseProblem, match="there is no registry"):
        update_schema(older, tmp_path / "none.json")
    with pytest.raises(DatabaseProblem, match="update-schema"):
        store_result(tmp_path / "empty.duckdb", {})
    assert "onnx_source" not in names(older, "performance_results")


def test_the_command_says_what_it_did(older, registry, capsys):
    """`registry update-schema` lists changes, then that all is up to date; `list` shows both."""
    arguments = ["--db-path", str(older), "--registry-path", str(registry.path)]
    assert main(["registry", "update-schema", *arguments]) == 0
    said = capsys.readouterr().out
    assert "added column performance_results.onnx_source" in said
    assert "2 conversions added, 0 brought up to date" in said
    assert main(["registry", "update-schema", *arguments]) == 0
    assert "is up to date" in capsys.readouterr().out
    assert main(["registry", "list", "--cache-dir", str(registry.path.parent)]) == 0
    said = capsys.readouterr().out
    assert "org/gpt2:model.onnx: /gpt2 (1 use)" in said
    assert "org/t5:model.onnx: failed: fail at export: no such op (1 use)" in said
    assert main(["registry", "update-schema", "--db-path", str(older.parent)]) == 2
    assert "cannot be opened" in capsys.readouterr().err
