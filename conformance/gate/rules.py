"""The rules of the gate: what a zoo file's ``gate`` may say, and the command line over it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from conformance.entry import Strict
from conformance.gate_result import RULE_NAMES, Rule

Switch = Literal["on", "off"]
Off = Literal["off"]
Factor = Annotated[float, Field(gt=1, allow_inf_nan=False)]


class Accepted(Strict):
    """A known finding of the gate, as data: it is shown and does not fail the gate."""

    rule: Literal[
        "new_failures", "vacuous", "vanished", "parity", "latency", "session", "size", "memory"
    ]
    """The rule that would fail."""
    model: Annotated[str, Field(min_length=1)]
    """The models' ids or the cases' (``pytorch/cnn@dynamo-op18-fp32-cpu``); ``*`` and ``?``
    stand for any text and any character."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it is accepted, for people who read the report."""
    expires: date | None = None
    """Last day (UTC, ``2027-01-31``) on which it is."""

    def covers(self, rule: Rule, case: str, model: str) -> bool:
        """Whether this is about that rule and that case, expired or not."""
        wanted = self.rule == rule
        return wanted and any(fnmatchcase(name, self.model) for name in (case, model))


class GateRules(Strict):
    """What ``--zoo-gate`` holds a run against. ``off`` switches a rule off."""

    new_failures: Switch = "on"
    """A case fails, or passes unexpectedly, that did not do so in the baseline."""
    vacuous: Switch = "on"
    """The check of a case could not have failed."""
    vanished: Switch = "on"
    """A case of the baseline's zoo is not in the zoo any more."""
    coverage: Annotated[float, Field(gt=0, le=1)] | Off = 0.9
    """Share of the selected cases that pass, at least."""
    parity: Factor | Off = 2.0
    """The worst output's error over its limit, now over then, at most; errors below half of
    their limit may grow."""
    latency: Switch = "on"
    """A model is surely slower than its baseline, by the limits of its entry's ``latency``."""
    session: Factor | Off = 1.5
    """Creating the session, now over then, at most; 20 ms more are never too many."""
    size: Factor | Off = 1.05
    """Bytes of the model, now over then, at most."""
    memory: Factor | Off = 1.5
    """Memory that the session takes, now over then, at most; 32 MiB more are never too many."""
    accepted: tuple[Accepted, ...] = ()
    """Known findings that do not fail the gate."""

    def on(self, rule: Rule) -> bool:
        """Whether the rule is held."""
        return rule is Rule.JUDGED or getattr(self, rule) != "off"

    def asked_for(self, rule: Rule) -> bool:
        """Whether somebody wrote the rule down, so that it must not go unheld in silence."""
        return rule in self.model_fields_set and self.on(rule)

    def limit(self, rule: Rule) -> str:
        """What the rule allows, in words."""
        value = None if rule is Rule.JUDGED else getattr(self, rule)
        match rule:
            case Rule.JUDGED | Rule.COVERAGE:
                return "at least one" if value is None else f"at least {100 * value:.4g}%"
            case Rule.LATENCY:
                return "of each entry"
            case Rule.NEW_FAILURES | Rule.VACUOUS | Rule.VANISHED:
                return "none"
            case _:
                return f"{value:.4g}x"


def with_rules(rules: GateRules, changes: Iterable[str]) -> GateRules:
    """The rules with those of a command line over them.

    Args:
        rules: of the zoo, or the defaults.
        changes: each ``NAME=VALUE``; the value is a number, ``on`` or ``off``.

    Raises:
        ValueError: naming the first change that makes no sense.
    """
    given: dict[str, Any] = rules.model_dump(exclude_unset=True)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in RULE_NAMES:
            raise ValueError(f"'{change}' is not NAME=VALUE with one of {', '.join(RULE_NAMES)}")
        default = GateRules.model_fields[name].default
        value: str | float = text
        if isinstance(default, float):
            if text == "on":
                value = default
            elif text != "off":
                value = _number(text)
        try:
            GateRules.model_validate({name: value})
        except ValidationError:
            raise ValueError(f"{name} takes {_TAKES[name]}, not '{text}'") from None
        given[name] = value
    return GateRules.model_validate(given)


_TAKES = {
    name: "a share above 0 and up to 1, such as 0.95, or off"
    if name == Rule.COVERAGE
    else "a factor above 1, such as 1.5, or off"
    if isinstance(GateRules.model_fields[name].default, float)
    else "on or off"
    for name in RULE_NAMES
}


def _number(text: str) -> str | float:
    """The number that a text stands for, or the text."""
    try:
        return float(text)
    except ValueError:
        return text
