"""Site: the places and the road of a camera's configuration, as detectors see them, and what zones are fit for."""

from detectors.site import Place, Site
from edge.calibration import calibration_sha256, survey
from edge.config import Camera


def site_of(camera: Camera) -> Site:
    """Return what a camera looks at; raise ConfigError if its calibration gives no plane."""
    calibration = camera.calibration
    return Site(
        tuple(Place(zone.id, zone.polygon, zone.lane, zone.type, zone.direction) for zone in camera.zones),
        survey(calibration, camera.size).ground if calibration else None,
    )


def evidence_facts(camera: Camera) -> dict[str, dict[str, bool | str]]:
    """Return by zone what its events tell of the calibration; raise ConfigError as `site_of`.

    Without a calibration nobody knows whether a zone is near enough: then only a zone that its own configuration
    declares unfit is told as such.
    """
    if camera.calibration is None:
        return {zone.id: {} if zone.evidence else {"fit_for_evidence": False} for zone in camera.zones}
    result = survey(camera.calibration, camera.size)
    version = calibration_sha256(camera.calibration, camera.size)
    return {
        zone.id: {
            "calibration_sha256": version,
            "fit_for_evidence": zone.evidence and result.too_far(zone.polygon) is None,
        }
        for zone in camera.zones
    }
