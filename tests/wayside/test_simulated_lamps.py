"""Simulated lamps, in made-up time: what they draw, what they count, and how they break."""

import pytest

from tests.fixtures.modbus import shipped
from wayside.simulate.lamps import METER_UNIT, Circuit, Lamp, LampField

LAMP, METER = shipped("wayside/metered-lamp"), shipped("wayside/circuit-meter")
assert LAMP.lamp is not None
CURVE = LAMP.lamp


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def is_proven(current_a: float, share: float) -> bool:
    return abs(current_a / CURVE.rated_a - share) <= CURVE.tolerance


@pytest.mark.parametrize(("level", "share"), [(100, 1.0), (50, 0.53), (10, 0.14)])
def test_a_lamp_draws_what_its_profile_expects_once_it_is_warm(clock: Clock, level: int, share: float) -> None:
    lamp = Lamp(CURVE, clock=clock)
    lamp.switch(level)
    assert lamp.current_a < 0.6 * share * CURVE.rated_a
    for clock.now_s in (CURVE.warm_up_s, 60.0, 3_600.0, 3_601.0):
        assert is_proven(lamp.current_a, share)
    lamp.switch(None)
    assert lamp.current_a <= CURVE.off_a


@pytest.mark.parametrize(
    ("fault", "told", "relay", "share"),
    [("stuck-off", 100, True, 0.0), ("stuck-on", None, False, 1.0), ("burnt-out", 100, True, 0.0)],
)
def test_a_broken_lamp_says_what_it_was_told_and_draws_something_else(
    clock: Clock, fault: str, told: int | None, *, relay: bool, share: float
) -> None:
    lamp = Lamp(CURVE, clock=clock)
    lamp.switch(100)
    lamp.fault = fault  # type: ignore[assignment]
    lamp.switch(told)
    clock.now_s = 600
    registers = lamp.registers()
    assert bool(registers[0]) == relay
    assert registers[1] == (100 if relay else 0)
    assert is_proven(registers[3] / 1_000, share)
    assert bool(registers[2]) == (fault == "burnt-out")


def test_a_drifting_lamp_falls_below_its_curve_by_and_by(clock: Clock) -> None:
    lamp = Lamp(CURVE, clock=clock)
    lamp.switch(100)
    clock.now_s = 100
    lamp.fault = "drift"
    assert is_proven(lamp.current_a, 1.0)
    clock.now_s = 200
    assert not is_proven(lamp.current_a, 1.0)


def test_energy_and_hours_are_counted_while_it_burns(clock: Clock) -> None:
    lamp = Lamp(CURVE, clock=clock)
    lamp.switch(100)
    clock.now_s = 60.0
    energy, hours = lamp.energy_kwh, lamp.hours
    for clock.now_s in range(60, 3_661, 60):
        lamp.registers()
    lamp.switch(None)
    clock.now_s = 10_000
    lamp.registers()
    assert lamp.hours - hours == pytest.approx(1.0, abs=0.02)
    assert lamp.energy_kwh - energy == pytest.approx(0.45 * 0.230, rel=0.03)


def test_its_registers_are_those_of_its_profile_and_its_meter_sums_them_up(clock: Clock) -> None:
    lamps = {unit: Lamp(CURVE, number=unit, clock=clock) for unit in range(1, 51)}
    circuit = Circuit(lamps)
    for lamp in lamps.values():
        lamp.switch(100)
    clock.now_s = 120
    said = LAMP.readings(3, 0, circuit.read(1, 3, 0, 10) or ())
    assert (said.faults, len(said.readings)) == ((), 8)
    assert {reading.quality for reading in said.readings} == {"good"}
    meter = {
        each.property: each.result for each in METER.readings(4, 0, circuit.read(METER_UNIT, 4, 0, 7) or ()).readings
    }
    assert meter["current"] == pytest.approx(50 * CURVE.rated_a, rel=0.02)
    assert meter["power.active"] == pytest.approx(50 * CURVE.rated_a * 230, rel=0.02)


def test_registers_that_it_does_not_have_are_refused(clock: Clock) -> None:
    circuit = Circuit({1: Lamp(CURVE, clock=clock)})
    assert circuit.read(1, 3, 9, 2) is None
    assert circuit.read(1, 4, 0, 1) is None
    assert circuit.read(2, 3, 0, 1) is None
    assert not circuit.write(1, 6, 2, [1])
    assert not circuit.write(1, 16, 0, [1, 101])
    assert not circuit.write(1, 5, 0, [1])
    assert circuit.write(1, 16, 0, [1, 40])
    assert circuit.lamps[1].light == 40


def test_dead_and_slow_lamps_are_told_by_their_answers(clock: Clock) -> None:
    circuit = Circuit({unit: Lamp(CURVE, clock=clock) for unit in (1, 2, 3)})
    circuit.lamps[2].fault = "dead"
    circuit.lamps[3].fault = "slow"
    assert circuit.delay_s(1) == 0
    assert circuit.delay_s(2) is None
    assert (circuit.delay_s(3) or 0) > 1
    assert circuit.delay_s(9) is None


def test_a_field_obeys_a_line_and_says_what_it_does(clock: Clock) -> None:
    field = LampField(150, CURVE, clock=clock)
    assert (len(field.servers), field.place(120)) == (2, (1, 21))
    assert field.obey("broken") == "none"
    assert field.obey("120 stuck-on").startswith("relay open, level 100 %, 0.")
    assert field.circuits[1].lamps[21].fault == "stuck-on"
    assert field.obey("broken") == "120 stuck-on"
    assert field.obey("120 ok").endswith("ok")
    assert field.obey("120 on-fire").startswith("expected one of: ok, stuck-on")
    assert field.obey("150").startswith("expected a lamp, 0 to 149")
    assert field.obey("").startswith("expected a lamp")
