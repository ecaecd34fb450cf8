"""Cursor: which sequence numbers of one stream the centre holds, and which it lacks."""

import msgspec

Run = tuple[int, int]
"""First and last sequence number, both included."""


class Cursor(msgspec.Struct, frozen=True):
    """Everything from 1 up to ``through_seq``, and the runs beyond it, rising and apart from each other."""

    through_seq: int = 0
    above: tuple[Run, ...] = ()

    def covers(self, seq: int) -> bool:
        """Tell whether a number is held or on the loss ledger."""
        return seq <= self.through_seq or any(first <= seq <= last for first, last in self.above)

    def is_clear_of(self, first: int, last: int) -> bool:
        """Tell whether none of a run is held, so that its numbers need not be asked for one by one."""
        return first > self.through_seq and all(last < low or high < first for low, high in self.above)

    def with_run(self, first: int, last: int) -> "Cursor":
        """Return the cursor with one more run; it may overlap what is held.

        >>> Cursor(3).with_run(7, 9).with_run(5, 7)
        Cursor(through_seq=3, above=((5, 9),))
        >>> Cursor(3, ((5, 9),)).with_run(2, 4)
        Cursor(through_seq=9, above=())
        """
        if last < first:
            return self
        through_seq = self.through_seq
        above: list[Run] = []
        for low, high in sorted((*self.above, (first, last))):
            if low <= through_seq + 1:
                through_seq = max(through_seq, high)
            elif above and low <= above[-1][1] + 1:
                above[-1] = (above[-1][0], max(above[-1][1], high))
            else:
                above.append((low, high))
        return Cursor(through_seq, tuple(above))

    def missing(self) -> tuple[Run, ...]:
        """Return the runs that are lacking below the highest number held.

        >>> Cursor(3, ((5, 9), (12, 12))).missing()
        ((4, 4), (10, 11))
        """
        ends = (self.through_seq, *(last for _, last in self.above))
        return tuple((end + 1, first - 1) for end, (first, _) in zip(ends, self.above, strict=False))
