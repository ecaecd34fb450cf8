"""Viewer: the pictures and the clip of a case in the order in which they are looked at."""

from collections.abc import Iterable

import msgspec

from ingest.store.queries import CaseDetail, EvidenceRow

_ROLES = ("before", "arrival", "middle", "limit", "after", "closeup", "clip")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at; ``original`` is None while it is still missing."""

    role: str
    original: EvidenceRow | None
    marked: EvidenceRow | None

    @property
    def shown(self) -> EvidenceRow | None:
        """What to show to everybody: the marked copy, never the original."""
        return self.marked


def views(case: CaseDetail) -> list[View]:
    """Return what a case has and what it still expects."""
    here = [each for each in case.evidence if each.stored_ms is not None]
    roles = [role for role in _ROLES if role in case.expects or any(each.role == role for each in here)]
    return [
        View(
            role=role,
            original=_last(each for each in here if each.role == role and each.copy_of is None),
            marked=_last(each for each in here if each.role == role and each.copy_of is not None),
        )
        for role in roles
    ]


def _last(rows: Iterable[EvidenceRow]) -> EvidenceRow | None:
    """Return the last of a role: of two pictures of the limit the one that is further from the arrival."""
    return max(rows, key=lambda each: each.time_ms, default=None)


def first_pick(shown: list[View]) -> str:
    """Return the role to show at first: the last still that is here."""
    stills = [view.role for view in shown if view.shown is not None and view.role not in ("clip", "closeup")]
    return stills[-1] if stills else (shown[0].role if shown else "")
