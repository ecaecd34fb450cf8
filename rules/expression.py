"""Conditions in CEL, checked when they are read: every name is known, every operation fits its types."""

import difflib
from collections.abc import Mapping

import cel

from config.document import Document

Value = float | bool | str | int

_EXTREMES: tuple[tuple[float, bool], ...] = ((0.0, False), (0.0, True), (1e9, False), (1e9, True))


class Expression:
    """A condition over flat names."""

    def __init__(self, document: Document, key: str, text: str, kinds: Mapping[str, type]) -> None:
        """Compile ``text``, which stands at ``key``; raise ConfigError if it cannot work with names of these kinds."""
        try:
            self._program = cel.compile(text)
        except ValueError as error:
            raise document.error(key, f"no valid CEL: {_first_line(error)}") from error
        self.names = tuple(sorted(self._program.variables()))
        for name in self.names:
            if name not in kinds:
                close = difflib.get_close_matches(name, kinds, n=1)
                suggestion = f"did you mean {close[0]!r}?" if close else "known names: " + ", ".join(sorted(kinds))
                raise document.error(key, f"unknown name {name!r}", suggestion)
        # Several samples, for CEL leaves out what cannot change the result, and with it the fault.
        for number, flag in _EXTREMES:
            sample = {name: _sample(kinds[name], number, flag=flag) for name in self.names}
            try:
                result = self._program.execute(sample)
            except (ValueError, TypeError, RuntimeError) as error:
                raise document.error(key, f"cannot be evaluated: {_first_line(error)}") from error
            if not isinstance(result, bool):
                raise document.error(key, f"expected true or false, got {type(result).__name__} ({result!r})")

    def holds(self, values: dict[str, Value]) -> bool:
        """Say whether the condition holds; ``values`` has all of ``names`` and nothing else."""
        return bool(self._program.execute(values))

    def verdict(self, known: dict[str, Value]) -> bool | None:
        """Say whether the condition holds as far as it is known, None if that cannot be told.

        ``known`` may lack names: CEL makes nothing of them where the others decide, in whatever order they stand.
        """
        try:
            return bool(self._program.execute(known))
        except (RuntimeError, ValueError):
            return None


def _sample(kind: type, number: float, *, flag: bool) -> Value:
    samples: dict[type, Value] = {bool: flag, str: "car", int: int(number)}
    return samples.get(kind, number)


def _first_line(error: Exception) -> str:
    """Return the core of what the CEL library says, which is several lines with a picture."""
    text = str(error).partition("ERROR: <input>:")[2] or str(error).partition(". ")[0]
    return text.strip().splitlines()[0]
