"""What a ``hubconf.py`` builds, told from its text: no code of it is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

HUBCONF = "hubconf.py"
#: Packages whose names in a ``hubconf.py`` are tools of its functions.
_TOOLS = {*sys.stdlib_module_names, "torch"}


def entrypoints(folder: Path) -> tuple[str, ...]:
    """Names that ``torch.hub`` can call: functions, and what is imported from other modules.

    Args:
        folder: holds a ``hubconf.py``.

    Raises:
        ValueError: when it cannot be read, or imports names that its text does not show.
    """
    file = folder / HUBCONF
    try:
        body = ast.parse(file.read_bytes(), str(file)).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"'{file}' cannot be read: {error}") from error
    names = dict.fromkeys(_names(body))
    if "*" in names:
        raise ValueError(f"'{file}' imports whatever another module has, so only you can say it")
    return tuple(name for name in names if not name.startswith("_"))


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name):
                yield name
            case ast.ImportFrom(module=module, names=imported, level=level):
                if level or (module or "").partition(".")[0] not in _TOOLS:
                    yield from (each.asname or each.name for each in imported)
            case ast.If() | ast.Try():
                yield from _names(statement.body)
                yield from _names(statement.orelse)
