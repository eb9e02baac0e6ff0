"""What no YAML file may do: say one thing twice, what no value can be, or nest without an end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

STANDARD = "tag:yaml.org,2002:"  # stands for !! in front of a tag


class Once(SafeConstructor):
    """Part of a YAML loader: every key stands once, and what no value can be is named by its line.

    raises   ConstructorError
    """

    # a set has no order, pairs hide a key that stands twice, and bytes hide what a text says
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: build
        for tag, build in SafeConstructor.yaml_constructors.items()
        if tag not in [f"{STANDARD}{name}" for name in ("set", "omap", "pairs", "binary")]
    }

    def construct_document(self, node: Node) -> Any:
        """Build the file, if no key of it stands twice."""
        _keys_once(node)
        return super().construct_document(node)

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Build one node; yaml itself stumbles over ``!!int ""`` and over 2001-99-99."""
        try:
            built = super().construct_object(node, deep)
            if isinstance(built, int):
                str(built)  # Python prints no number of 4,301 digits, and an error about it has to
            return built
        except (ValueError, LookupError, AttributeError, ArithmeticError) as error:
            kind = node.tag.replace(STANDARD, "!!")
            said = f"{str(node.value)[:60]!r} cannot be read as {kind}"
            raise ConstructorError(None, None, said, node.start_mark) from error


def shallow(text: str, loader: Any, deepest: int) -> Iterator[Any]:
    """What a parser sees of a text, one event after another, down to a depth.

    loader   of yaml
    deepest  levels; yaml builds a file by recursion, and Python allows that some hundred times
    raises   ConstructorError   naming the line that is deeper
    """
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            mark: Any = event.start_mark  # the parser in C has a type of its own for it
            said = f"what stands here is nested deeper than {deepest} levels"
            raise ConstructorError(None, None, said, mark)
        yield event


def _keys_once(root: Node) -> None:
    """Refuse a key that stands twice: its last value would win, and nobody would be told."""
    nodes, known = [root], {root}
    for node in nodes:
        inside = list(node.value) if isinstance(node, CollectionNode) else []
        if isinstance(node, MappingNode):
            first: dict[tuple[str, str], int] = {}
            for key in (key for key, _ in inside if isinstance(key, ScalarNode)):
                named, line = (key.tag, key.value), key.start_mark.line + 1
                if named in first:
                    said = f"the key {key.value[:60]!r} stands twice, first in line {first[named]}"
                    raise ConstructorError(None, None, said, key.start_mark)
                first[named] = line
            inside = list(chain.from_iterable(inside))
        fresh = [part for part in inside if part not in known]  # aliases lead to a node again
        known.update(fresh)
        nodes += fresh
