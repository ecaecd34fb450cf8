"""Quantities that conditions are configured in: each with its UCUM unit and the range that makes sense anywhere."""

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0, le=604_800, extra_json_schema={"unit": "s"})]
Hour = Annotated[float, Meta(ge=0, le=24, extra_json_schema={"unit": "h"})]
Metres = Annotated[float, Meta(ge=0, le=10_000, extra_json_schema={"unit": "m"})]
SweepWidth = Annotated[float, Meta(gt=0, le=200, extra_json_schema={"unit": "m"})]
Height = Annotated[float, Meta(ge=-1_000, le=1_000, extra_json_schema={"unit": "m"})]
Degrees = Annotated[float, Meta(ge=-180, le=180, extra_json_schema={"unit": "deg"})]
Angle = Annotated[float, Meta(ge=0, le=180, extra_json_schema={"unit": "deg"})]
Share = Annotated[float, Meta(ge=0, le=1, extra_json_schema={"unit": "1"})]
KmPerHour = Annotated[float, Meta(ge=0, le=1_000, extra_json_schema={"unit": "km/h"})]
RainRate = Annotated[float, Meta(ge=0, le=1_000, extra_json_schema={"unit": "mm/h"})]
Celsius = Annotated[float, Meta(ge=-60, le=60, extra_json_schema={"unit": "Cel"})]
