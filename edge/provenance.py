"""Provenance: with which model and which settings a camera's events came to be."""

import hashlib

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
    settings = msgspec.to_builtins(camera)
    del settings["source"]
    facts: Facts = {"config_sha256": hashlib.sha256(canonical(settings)).hexdigest()}
    if isinstance(camera.backend, Onnx):
        facts["model_sha256"] = sha256_of(resolve(camera.backend.model, camera.backend.sha256))
    return facts
