"""The settings of a stack: those of its components, checked as each method checks its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classay import registry


@dataclass(frozen=True, kw_only=True)
class Config:
    """The components, in order: each the settings of a method, and its name under ``method``."""

    components: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        names = [component.get("method") for component in self.components]
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError(
                f"components names the methods {names}; one or more names were needed: give each "
                f"component a key 'method' with its name"
            )
        if doubled := sorted({str(name) for name in names if names.count(name) > 1}):
            raise ValueError(f"components has {doubled} more than once; take all but one out")
        for name in names:
            if not registry.load("method", str(name)).METHOD.stackable:
                raise ValueError(
                    f"components has {name!r}, which does not learn and answer with one adapter "
                    f"shared by all domains, from the rows that are offered, and a stack has "
                    f"nothing else: run it beside the stack"
                )
        resolved(self)


def resolved(config: Config) -> dict[str, Any]:
    """Every component's settings, by its method's name."""
    return {
        component["method"]: registry.resolve(f"stack.{component['method']}", component)
        for component in config.components
    }
