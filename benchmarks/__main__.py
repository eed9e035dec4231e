"""``python -m benchmarks NAME`` runs one benchmark; without a name it lists them."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the named benchmark."""
    names = sorted(f.stem for f in Path(__file__).parent.glob("[a-z]*.py"))
    if not arguments or arguments[0] not in names:
        print(f"usage: python -m benchmarks {{{','.join(names)}}} [options of the benchmark]")
        return 2
    # where it is set, every process of ours compiles itself anew; installed packages were compiled
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.argv = [f"python -m benchmarks {arguments[0]}", *arguments[1:]]
    import_module(f"benchmarks.{arguments[0]}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
