"""The ranges that every number and text of a message keeps.

They keep out what some store further down cannot hold: NaN and infinities, integers that JavaScript or an eight-byte
column would bend, NUL characters, and texts longer than their column.
"""

from typing import Annotated

from msgspec import Meta

_INTEGER_MAX = 2**53 - 1
_NO_NUL = r"^[^\x00]*$"

TimeMs = Annotated[int, Meta(ge=0, le=_INTEGER_MAX, description="Milliseconds since 1970 UTC.")]
Seq = Annotated[int, Meta(ge=1, le=2**52, description="Sequence number, from 1 in each stream of an epoch.")]
Count = Annotated[int, Meta(ge=0, le=_INTEGER_MAX)]
Pixels = Annotated[int, Meta(ge=1, le=65_535)]
# A range also keeps NaN out, which compares with nothing.
Real = Annotated[float, Meta(ge=-1e300, le=1e300)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Position = tuple[Annotated[float, Meta(ge=-90, le=90)], Annotated[float, Meta(ge=-180, le=180)]]
"""WGS-84 latitude and longitude, degrees."""
Name = Annotated[str, Meta(max_length=64, pattern=_NO_NUL)]
Unit = Annotated[str, Meta(max_length=16, pattern=_NO_NUL, description="UCUM code.")]
Label = Annotated[str, Meta(max_length=41, pattern=_NO_NUL)]
Text = Annotated[str, Meta(max_length=2_000, pattern=_NO_NUL)]
