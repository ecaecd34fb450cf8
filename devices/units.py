"""Units: which codes of UCUM a profile may use, and how many of one unit are another.

>>> is_unit("kW.h"), is_unit("m/s"), is_unit("uS/cm"), is_unit("degC")
(True, True, True, False)
>>> times("kW.h", "W.h")
1000.0
"""

import re

# Code: dimension and size in its base; metric ones take prefixes.
_METRIC = {
    "m": ("m", 1.0),
    "g": ("g", 1.0),
    "s": ("s", 1.0),
    "A": ("A", 1.0),
    "K": ("K", 1.0),
    "cd": ("cd", 1.0),
    "mol": ("mol", 1.0),
    "Hz": ("Hz", 1.0),
    "N": ("N", 1.0),
    "Pa": ("Pa", 1.0),
    "bar": ("Pa", 1e5),
    "J": ("J", 1.0),
    "W": ("W", 1.0),
    "C": ("C", 1.0),
    "V": ("V", 1.0),
    "F": ("F", 1.0),
    "Ohm": ("Ohm", 1.0),
    "S": ("S", 1.0),
    "Wb": ("Wb", 1.0),
    "T": ("T", 1.0),
    "H": ("H", 1.0),
    "lm": ("lm", 1.0),
    "lx": ("lx", 1.0),
    "L": ("L", 1.0),
    "l": ("L", 1.0),
    "B": ("B", 1.0),
    "Bq": ("Bq", 1.0),
    "eq": ("mol", 1.0),
    "B[SPL]": ("B[SPL]", 1.0),
    "rad": ("rad", 1.0),
}
_OTHER = {
    "": ("", 1.0),  # only an annotation, as in {lamps}
    "1": ("", 1.0),
    "%": ("", 0.01),
    "[ppth]": ("", 1e-3),
    "[ppm]": ("", 1e-6),
    "[ppb]": ("", 1e-9),
    "min": ("s", 60.0),
    "h": ("s", 3600.0),
    "d": ("s", 86400.0),
    "a": ("s", 31557600.0),
    "deg": ("rad", 0.017453292519943295),
    "Cel": ("Cel", 1.0),
    "[degF]": ("[degF]", 1.0),
    "[pH]": ("[pH]", 1.0),
    "[kn_i]": ("m/s", 0.5144444444444445),
    "[in_i]": ("m", 0.0254),
    "[ft_i]": ("m", 0.3048),
    "[mi_i]": ("m", 1609.344),
    "[gal_us]": ("L", 3.785411784),
    "bit": ("bit", 1.0),
    "By": ("By", 1.0),
}
_PREFIXES = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "h": 1e2, "k": 1e3, "M": 1e6, "G": 1e9}
_TERM = re.compile(r"(?P<code>1|[A-Za-z%]*(?:\[[A-Za-z_]+\])?)(?P<power>(?<=\D)-?[1-9])?(?:\{[!-z|~]*\})?$")


def is_unit(code: str) -> bool:
    """Return whether ``code`` is one of UCUM, as far as devices here need it; empty is one too."""
    return not code or _size(code) is not None


def times(unit: str, of: str) -> float | None:
    """Return how many ``of`` one ``unit`` is; none if they measure different things, or are no units."""
    size, other = _size(unit) if unit else ("", 1.0), _size(of) if of else ("", 1.0)
    if size is None or other is None or size[0] != other[0]:
        return None
    return float(f"{size[1] / other[1]:.12g}")


def _size(code: str) -> tuple[str, float] | None:
    """Return the dimension of a unit, written always alike, and its size in the base of that dimension."""
    powers: dict[str, int] = {}
    size = 1.0
    for sign, term in re.findall(r"(^|[./])([^./]*)", code):
        found = _TERM.match(term) if term else None
        atom = _atom(found["code"]) if found else None
        if found is None or atom is None:
            return None
        power = int(found["power"] or 1) * (-1 if sign == "/" else 1)
        size *= atom[1] ** power
        if atom[0]:
            powers[atom[0]] = powers.get(atom[0], 0) + power
    return ".".join(f"{atom}{power}" for atom, power in sorted(powers.items()) if power), size


def _atom(code: str) -> tuple[str, float] | None:
    if code in _OTHER:
        return _OTHER[code]
    if code in _METRIC:
        return _METRIC[code]
    prefix, base = _PREFIXES.get(code[:1]), _METRIC.get(code[1:])
    return (base[0], base[1] * prefix) if prefix and base else None
