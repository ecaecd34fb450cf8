"""Small solids made of four-cornered faces, lit by a soft sun and a bright sky."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from wayside.street.view import SHIFT, Colour, Floats, Sheet

SUN = np.array([-0.45, -0.52, 0.73])
_SKY = np.array([0.66, 0.60, 0.56])
_SUNLIGHT = np.array([0.42, 0.47, 0.52])
_BOUNCE = np.array([0.20, 0.21, 0.22])


@dataclass(frozen=True)
class Mesh:
    """Faces of a convex part: corners [n, 4, 3], outward normals [n, 3], colour [n, 3], gloss [n], glow [n]."""

    corners: Floats
    normals: Floats
    colour: Floats
    gloss: Floats
    glow: Floats

    def painted(self, mask: np.ndarray, colour: Colour, gloss: float, glow: float = 0.0) -> "Mesh":
        """Return a copy in which the faces under ``mask`` have another surface."""
        colours, glosses, glows = self.colour.copy(), self.gloss.copy(), self.glow.copy()
        colours[mask], glosses[mask], glows[mask] = colour, gloss, glow
        return replace(self, colour=colours, gloss=glosses, glow=glows)

    @property
    def centres(self) -> Floats:
        """Middle of every face [n, 3]."""
        return np.asarray(self.corners.mean(axis=1))


def solid(rings: Floats, colour: Colour, gloss: float = 0.0) -> Mesh:
    """Return the skin over ``rings`` [k, p, 3], each a closed outline, one above or behind the other."""
    beside = np.roll(rings, -1, axis=1)
    quads = np.stack([rings[:-1], beside[:-1], beside[1:], rings[1:]], axis=2).reshape(-1, 4, 3)
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normals, axis=1)
    quads, normals = quads[length > 1e-9], normals[length > 1e-9] / length[length > 1e-9, None]
    outward = quads.mean(axis=1) - rings.reshape(-1, 3).mean(axis=0)
    if np.einsum("ij,ij->i", normals, outward).sum() < 0:
        normals = -normals
    count = len(quads)
    return Mesh(
        quads, normals, np.tile(np.asarray(colour, dtype=float), (count, 1)), np.full(count, gloss), np.zeros(count)
    )


def patch(points: Floats, colour: Colour, gloss: float = 0.0, glow: float = 0.0) -> Mesh:
    """Return four-cornered faces [n, 4, 3] whose corners run counter-clockwise seen from outside."""
    quads = np.asarray(points, dtype=float).reshape(-1, 4, 3)
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    count = len(quads)
    return Mesh(
        quads,
        normals,
        np.tile(np.asarray(colour, dtype=float), (count, 1)),
        np.full(count, gloss),
        np.full(count, glow),
    )


def outline(half_x: float, half_y: float, power: float, count: int, turn: float = 0.0) -> Floats:
    """Return a rounded rectangle [count, 2] (a superellipse of ``power``)."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + turn
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack(
        [
            half_x * np.sign(cosine) * np.abs(cosine) ** (2 / power),
            half_y * np.sign(sine) * np.abs(sine) ** (2 / power),
        ],
        axis=1,
    )


def shade(mesh: Mesh, centres: Floats, normals: Floats, eye: Floats) -> Floats:
    """Return the colour of every face as the camera sees it: daylight, plus sky and houses mirrored in gloss."""
    up = normals[:, 2:3]
    sun = np.clip(normals @ SUN, 0, None)[:, None]
    daylight = _SKY * (0.5 + 0.5 * up) + _BOUNCE * (0.5 - 0.5 * up) + _SUNLIGHT * sun
    sight = eye - centres
    sight /= np.linalg.norm(sight, axis=1, keepdims=True)
    facing = np.clip(np.einsum("ij,ij->i", normals, sight), 0, 1)
    mirrored = 2 * facing[:, None] * normals - sight
    height = mirrored[:, 2]
    world = 0.16 + 0.30 * np.clip((height + 0.05) / 0.1, 0, 1) + 0.50 * np.clip((height - 0.18) / 0.35, 0, 1)
    share = mesh.gloss * (0.10 + 0.55 * (1 - facing) ** 3)
    glint = mesh.gloss * np.clip(mirrored @ SUN, 0, 1) ** 60 * 0.9
    world_colour = world[:, None] * np.array([1.0, 0.97, 0.94]) + glint[:, None]
    lit = mesh.colour * daylight * (1 - share[:, None]) + share[:, None] * world_colour + 0.35 * glint[:, None]
    return np.asarray(lit * (1 - mesh.glow[:, None]) + mesh.colour * mesh.glow[:, None])


def draw(sheet: Sheet, mesh: Mesh, place: tuple[Floats, Floats]) -> None:
    """Draw the faces that look at the camera; ``place`` is the mesh's rotation [3, 3] and position [3]."""
    rotation, position = place
    eye = np.asarray(sheet.view.eye)
    normals = mesh.normals @ rotation.T
    centres = mesh.centres @ rotation.T + position
    seen = np.einsum("ij,ij->i", normals, eye - centres) > 0
    if not seen.any():
        return
    part = Mesh(mesh.corners[seen], normals[seen], mesh.colour[seen], mesh.gloss[seen], mesh.glow[seen])
    colours = (np.clip(shade(part, centres[seen], part.normals, eye), 0, 1) * 255).tolist()
    for quad, colour in zip(sheet.pixels(part.corners @ rotation.T + position), colours, strict=True):
        cv2.fillConvexPoly(sheet.canvas, quad, colour, lineType=cv2.LINE_8, shift=SHIFT)
