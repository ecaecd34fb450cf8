"""Quantities that detectors are configured in: each with its UCUM unit and the range that makes sense anywhere."""

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0, le=86_400, extra_json_schema={"unit": "s"})]
Share = Annotated[float, Meta(ge=0, le=1, extra_json_schema={"unit": "1"})]
Ratio = Annotated[float, Meta(ge=0, le=100, extra_json_schema={"unit": "1"})]
Metres = Annotated[float, Meta(ge=0, le=1_000, extra_json_schema={"unit": "m"})]
SquareMetres = Annotated[float, Meta(ge=0, le=10_000, extra_json_schema={"unit": "m2"})]
Speed = Annotated[float, Meta(ge=0, le=100, extra_json_schema={"unit": "m/s"})]
LogOdds = Annotated[float, Meta(ge=-10, le=10, extra_json_schema={"unit": "1"})]
Count = Annotated[int, Meta(ge=0, le=10_000, extra_json_schema={"unit": "1"})]
