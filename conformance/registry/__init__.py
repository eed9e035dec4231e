"""What was converted for whom: ``conversion_registry.json``, and its tables in a database.

The JSON file is the truth: locked, replaced as a whole, read by every process that converts.
The DuckDB tables are for analysis beside benchmark results, and are brought up to date from it.
"""

from conformance.registry.database import (
    DatabaseProblem,
    Migrated,
    has_onnx_schema,
    store_result,
    update_schema,
)
from conformance.registry.entries import RegistryEntry, entry_key
from conformance.registry.json_file import (
    REGISTRY_FILE,
    ConversionRegistry,
    RegistryProblem,
    read_entries,
)

__all__ = [
    "REGISTRY_FILE",
    "ConversionRegistry",
    "DatabaseProblem",
    "Migrated",
    "RegistryEntry",
    "RegistryProblem",
    "entry_key",
    "has_onnx_schema",
    "read_entries",
    "store_result",
    "update_schema",
]
