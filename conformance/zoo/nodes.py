"""Plain data whose every key and value knows its position."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from conformance.zoo.problems import Position


class Node:
    """A value and where it stands; what is no :class:`Branch` is a scalar.

    ``value`` is plain data and is shared between aliases: never change it.
    """

    # a zoo of 10,000 models has a quarter of a million scalars: what is the same for all
    # of them stands in the class
    __slots__ = ("at", "value")
    children: Mapping[Any, Node] = MappingProxyType({})
    #: Positions of a mapping's keys, and of a list's items; as many as there are children.
    keys: Mapping[Any, Position] = MappingProxyType({})
    #: Nodes from here on, this one and what aliases stand for included.
    size: int = 1
    depth: int = 0

    def __init__(self, value: Any, at: Position) -> None:
        self.value = value
        self.at = at

    def items(self) -> list[Node]:
        """The nodes of a list; nothing for any other value."""
        return list(self.children.values()) if isinstance(self.value, list) else []

    def only(self, keys: Collection[str]) -> Branch:
        """This mapping with those of its items whose key is in ``keys``."""
        part = Branch({}, self.at)
        for key, child in self.children.items():
            if key in keys:
                part.add(key, self.keys[key], child)
        return part

    def filled_from(self, other: Node) -> Node:
        """This mapping with the items of ``other`` whose key it lacks."""
        if not other.children:
            return self
        filled = Branch({}, self.at)
        for source in (self, other):
            for key, child in source.children.items():
                if key not in filled.children:
                    filled.add(key, source.keys[key], child)
        return filled

    def find(self, path: tuple[str | int, ...]) -> tuple[Node, Position, tuple[str | int, ...]]:
        """Walk ``path``, passing over parts that lead nowhere, such as names of union members.

        Returns:
            The last node found, the position of its key, and the parts that led there.
        """
        node, key_at = self, self.at
        walked: tuple[str | int, ...] = ()
        for part in path:
            step = part if part in node.children else str(part)
            if step in node.children:
                node, key_at = node.children[step], node.keys[step]
                walked = (*walked, part)
        return node, key_at, walked


class Branch(Node):
    """A mapping or a list, with the nodes inside it: a child per item of ``value``."""

    __slots__ = ("children", "depth", "keys", "size")

    def __init__(self, value: dict[str, Any] | list[Any], at: Position) -> None:
        super().__init__(value, at)
        self.children: dict[Any, Node] = {}
        self.keys: dict[Any, Position] = {}
        self.size = 1
        self.depth = 0

    def add(self, key: str | int, key_at: Position, child: Node) -> None:
        """Append a child: ``key`` is a mapping's key or a list's next index."""
        if isinstance(self.value, dict):
            self.value[key] = child.value
        else:
            self.value.append(child.value)
        self.children[key] = child
        self.keys[key] = key_at
        self.size += child.size
        if child.depth >= self.depth:
            self.depth = child.depth + 1
