"""``python -m benchmarks NAME`` runs one benchmark; without a name it lists them."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the named benchmark."""
    names = sorted(f.stem for f in Path(__file__).parent.glob("[a-z]*.py"))
    if len(arguments) != 1 or arguments[0] not in names:
        print(f"usage: python -m benchmarks {{{','.join(names)}}}")
        return 2
    import_module(f"benchmarks.{arguments[0]}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
