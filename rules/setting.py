"""Setting: a rule as it holds in one zone: parameters, limits of some classes, hours, and who is allowed."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

import msgspec

from rules.hours import Allowance, Hours
from rules.rule import Parameters, Rule
from wire.holding import Holding


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a zone says of the rules that watch it; what it leaves out is as the rule says."""

    parameters: Parameters = {}
    by_label: Mapping[str, Parameters] = {}
    hours: tuple[Hours, ...] | None = None
    allow: tuple[Allowance, ...] | None = None


class Setting(NamedTuple):
    """One rule in one zone."""

    rule: Rule
    default: Parameters
    by_label: Mapping[str, Parameters]
    hours: tuple[Hours, ...]
    allow: tuple[Allowance, ...]
    time_zone: tzinfo

    def values(self, label: str) -> Parameters:
        """Return the value of each of the rule's parameters for what has this label."""
        return self.by_label.get(label, self.default)

    def applies(self, held: Holding) -> bool:
        """Say whether the rule holds for this one now: within its hours, and nobody is allowed to."""
        if not self.hours and not self.allow:
            return True
        local = datetime.fromtimestamp(held.time_ms / 1000, self.time_zone)
        if self.hours and not any(each.hold(local) for each in self.hours):
            return False
        return not any(held.label in each.labels and each.hold(local) for each in self.allow)


def setting_of(rule: Rule, terms: Terms, time_zone: tzinfo) -> Setting:
    """Return a rule under the terms of a zone.

    The nearer word counts: the zone's for a label, the zone's, the rule's for a label, the rule's default.
    """
    file = rule.file
    labels = {*file.by_label, *terms.by_label}
    return Setting(
        rule,
        rule.values(terms.parameters),
        {
            label: rule.values({**file.by_label.get(label, {}), **terms.parameters, **terms.by_label.get(label, {})})
            for label in labels
        },
        file.hours if terms.hours is None else terms.hours,
        file.allow if terms.allow is None else terms.allow,
        time_zone,
    )
