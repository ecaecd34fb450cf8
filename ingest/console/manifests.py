"""Manifests: what the sealed manifests of a case say, and how complete the standards would call its evidence."""

from pathlib import Path

import msgspec

from ingest.storage import path_of
from ingest.store.queries import CaseDetail
from rules.completeness import PROFILES, Line, Profile, check
from wire.manifest import Envelope, Manifest

_ENVELOPE_BYTES_MAX = 16 * 1024 * 1024


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """One profile over one event's evidence."""

    profile: Profile
    lines: tuple[Line, ...]

    @property
    def is_met(self) -> bool:
        """Whether nothing is missing."""
        return all(line.is_met for line in self.lines)


def envelope_of(storage: Path, sha256: str) -> Envelope | None:
    """Return a stored envelope; None if it is not there or none."""
    path = path_of(storage, sha256)
    try:
        if path.stat().st_size > _ENVELOPE_BYTES_MAX:
            return None
        return msgspec.json.decode(path.read_bytes(), type=Envelope)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def manifest_in(envelope: Envelope) -> Manifest | None:
    """Return the manifest in an envelope; None if it is of a form that is not known here."""
    try:
        return msgspec.json.decode(envelope.manifest, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def manifests_of(case: CaseDetail, storage: Path) -> list[Manifest]:
    """Return the manifests of a case that are here, in the order in which they were sealed."""
    rows = [each for each in case.evidence if each.role == "manifest" and each.stored_ms is not None]
    envelopes = [envelope_of(storage, each.sha256) for each in rows]
    found = [manifest_in(each) for each in envelopes if each is not None]
    return [each for each in found if each is not None]


def assess(manifest: Manifest) -> list[Assessment]:
    """Return what each profile finds in a manifest."""
    return [Assessment(profile=each, lines=tuple(check(each, manifest))) for each in PROFILES.values()]
