"""Viewer: the pictures and the clip of a case in the order in which they are looked at."""

import msgspec

from ingest.store.queries import CaseDetail, EvidenceRow

_ROLES = ("arrival", "middle", "limit", "clip")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at; ``original`` is None while it is still missing."""

    role: str
    original: EvidenceRow | None
    marked: EvidenceRow | None

    @property
    def shown(self) -> EvidenceRow | None:
        """What to show small: the marked copy if there is one."""
        return self.marked or self.original


def views(case: CaseDetail) -> list[View]:
    """Return what a case has and what it still expects."""
    here = [each for each in case.evidence if each.stored_ms is not None]
    roles = [role for role in _ROLES if role in case.expects or any(each.role == role for each in here)]
    return [
        View(
            role=role,
            original=next((each for each in here if each.role == role and each.copy_of is None), None),
            marked=next((each for each in here if each.role == role and each.copy_of is not None), None),
        )
        for role in roles
    ]


def first_pick(shown: list[View]) -> str:
    """Return the role to show at first: the last still that is here."""
    stills = [view.role for view in shown if view.shown is not None and view.role != "clip"]
    return stills[-1] if stills else (shown[0].role if shown else "")
