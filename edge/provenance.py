"""Provenance: with which model and which settings a camera's events came to be."""

import hashlib
from typing import Any

import msgspec

from edge.config import Camera, Onnx
from edge.models import resolve, sha256_of
from wire.manifest import canonical

Facts = dict[str, float | bool | str]


def provenance(camera: Camera) -> Facts:
    """Return the facts that all events of a camera share; raise Refusal if its model cannot be read.

    ``config_sha256`` is of every setting in force, those left at their defaults too; the source is left out, for it may
    hold a password, and short secrets can be found from their hash.
    """
    settings: dict[str, Any] = msgspec.to_builtins(camera)
    del settings["source"]
    facts: Facts = {"config_sha256": _sha256(settings), **calibration_facts(settings)}
    if isinstance(camera.backend, Onnx):
        facts["model_sha256"] = sha256_of(resolve(camera.backend.model, camera.backend.sha256))
    return facts


def calibration_facts(settings: dict[str, Any]) -> Facts:
    """Return which calibration a camera's settings hold; nothing if they hold none."""
    calibration = settings.get("calibration")
    return {"calibration_sha256": _sha256(calibration)} if calibration else {}


def _sha256(settings: Any) -> str:
    return hashlib.sha256(canonical(settings)).hexdigest()
