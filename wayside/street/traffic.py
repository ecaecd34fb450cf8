"""Who is on the street when: a timetable of 75 seconds that ends as it began."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wayside.street.ground import FAR_LANE, NEAR_LANE, STAND
from wayside.street.paint import Driving
from wayside.street.people import Walker
from wayside.street.vehicles import Lamps, Vehicle, bus, car, taxi, van

DURATION_S = 75.0
STOP_S, LEAVE_S = 10.0, 47.0
PARKED_X = 4.6
_FAR_END, _WEST_END = 135.0, -26.0

Motion = Callable[[float], Driving | None]


@dataclass(frozen=True)
class Trip:
    """One vehicle and where it is at a time, or None when it is not on the street."""

    vehicle: Vehicle
    at: Motion

    def on_loop(self, time_s: float) -> Driving | None:
        """Return where the vehicle is when the timetable is repeated for ever: of this round, the next or the last."""
        return self.at(time_s) or self.at(time_s - DURATION_S) or self.at(time_s + DURATION_S)


def trips() -> list[Trip]:
    """Return everyone who drives through."""
    east = [
        (0.6, 10.0, car((0.62, 0.60, 0.58), "suv")),
        (3.2, 9.6, car((0.16, 0.12, 0.46), "hatch")),
        (5.7, 10.4, taxi((0.20, 0.62, 0.86))),
        (12.9, 9.8, van((0.86, 0.87, 0.87), (0.52, 0.30, 0.10))),
        (17.2, 10.2, car((0.86, 0.87, 0.87))),
        (23.6, 8.2, bus((0.86, 0.88, 0.88), (0.42, 0.50, 0.12))),
        (30.5, 9.5, car((0.10, 0.10, 0.11), "suv")),
        (33.6, 9.9, car((0.50, 0.28, 0.10), "hatch")),
        (38.0, 10.6, taxi((0.20, 0.62, 0.86))),
        (42.6, 9.7, car((0.26, 0.30, 0.34))),
        (50.5, 10.1, van((0.30, 0.62, 0.90), (0.9, 0.9, 0.9))),
        (55.6, 9.9, car((0.66, 0.66, 0.64), "hatch")),
        (63.0, 10.0, taxi((0.20, 0.62, 0.86))),
    ]
    west = [
        (-5.6, 11.0, car((0.70, 0.71, 0.72), "hatch")),
        (3.6, 10.2, car((0.14, 0.13, 0.13))),
        (9.4, 9.9, taxi((0.20, 0.62, 0.86))),
        (16.6, 9.5, van((0.88, 0.88, 0.87), (0.16, 0.34, 0.84))),
        (22.8, 10.3, car((0.34, 0.18, 0.08), "suv")),
        (26.2, 10.1, car((0.58, 0.58, 0.60))),
        (38.6, 10.0, car((0.12, 0.12, 0.52), "hatch")),
        (41.6, 10.2, car((0.84, 0.85, 0.85), "suv")),
        (49.6, 10.4, car((0.48, 0.44, 0.30))),
        (54.2, 10.6, car((0.20, 0.22, 0.24), "hatch")),
    ]
    coming = [Trip(vehicle, _straight(start, _WEST_END, NEAR_LANE, speed)) for start, speed, vehicle in east]
    going = [Trip(vehicle, _straight(start, _FAR_END, FAR_LANE, -speed)) for start, speed, vehicle in west]
    return [*coming, *going, Trip(car((0.46, 0.22, 0.06), "sedan"), parking)]


def _straight(start_s: float, from_x: float, lane: float, speed: float) -> Motion:
    def at(time_s: float) -> Driving | None:
        driven = abs(speed) * (time_s - start_s)
        x = from_x + speed * (time_s - start_s)
        if driven < 0 or not _WEST_END <= x <= _FAR_END:
            return None
        return Driving((x, lane, 0.0 if speed > 0 else np.pi), Lamps(), driven)

    return at


def parking(time_s: float) -> Driving | None:
    """The car of the story: it brakes, pulls in over the zig-zag, stands, pulls out."""
    speed, brake_s, start_s = 9.6, 3.6, 3.4
    if time_s < STOP_S:
        left = STOP_S - time_s
        distance = speed * left**2 / (2 * brake_s) if left < brake_s else speed * (left - brake_s / 2)
        x, is_leaving = PARKED_X + distance, False
        share = 1 - np.clip((distance - 1.2) / 14.0, 0, 1)
    elif time_s <= LEAVE_S:
        distance, x, is_leaving, share = 0.0, PARKED_X, False, 1.0
    else:
        gone = time_s - LEAVE_S
        distance = speed * gone**2 / (2 * start_s) if gone < start_s else speed * (gone - start_s / 2)
        x, is_leaving = PARKED_X - distance, True
        share = 1 - np.clip((distance - 0.3) / 13.0, 0, 1)
    if not _WEST_END <= x <= _FAR_END:
        return None
    smooth = share * share * (3 - 2 * share)
    slope = 6 * share * (1 - share) * (STAND - FAR_LANE) / (13.0 if is_leaving else 14.0)
    heading = np.pi + (np.arctan(slope) if is_leaving else -np.arctan(slope))
    is_blinking = (7.0 < time_s < STOP_S + 2 or LEAVE_S - 2 < time_s < LEAVE_S + 3) and time_s % 0.8 < 0.42
    is_braking = STOP_S - brake_s < time_s < STOP_S + 1.5
    pose = (float(x), float(FAR_LANE + smooth * (STAND - FAR_LANE)), float(heading))
    return Driving(pose, Lamps(is_braking, is_blinking), distance)


def walkers() -> list[Walker]:
    """Return the people on both pavements; each walks whole loops, so that the street ends as it began."""
    return [
        Walker(4, 12.7, 1.28, 1.74, (168, 92, 58), (70, 62, 58)),
        Walker(38, 12.9, -1.22, 1.66, (70, 74, 176), (62, 56, 52), bag=(60, 96, 128)),
        Walker(60, 11.3, 1.32, 1.70, (196, 198, 200), (96, 84, 70)),
        Walker(61.0, 11.75, 1.32, 1.62, (128, 150, 86), (58, 54, 60), hair=(40, 56, 84)),
        Walker(95, 12.6, -1.36, 1.78, (84, 84, 88), (50, 48, 48)),
        Walker(120, 12.3, 1.25, 1.68, (116, 176, 214), (92, 76, 64)),
        Walker(84, -2.0, -1.30, 1.72, (74, 128, 196), (74, 66, 60), bag=(54, 54, 62)),
        Walker(116, -3.1, 1.27, 1.70, (150, 118, 84), (66, 60, 60)),
        Walker(18, 11.2, -1.24, 1.58, (120, 78, 150), (80, 72, 70)),
    ]


def walked(walker: Walker, time_s: float) -> float:
    """Return where a walker is along the street, metres; whoever leaves at one end comes in at the other."""
    lap = abs(walker.speed) * DURATION_S
    return float(_WEST_END + (walker.x - _WEST_END + walker.speed * time_s) % lap)


def strides(walker: Walker, time_s: float) -> float:
    """Return how many strides a walker has made; a whole number in a round."""
    return time_s / DURATION_S * round(abs(walker.speed) * DURATION_S / (0.82 * walker.height))
