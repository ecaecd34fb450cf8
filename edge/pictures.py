"""Pictures: memory that one camera's processes share; one writes a picture, another looks, a third keeps stills."""

import multiprocessing
from typing import Any

import numpy as np

from edge.video import Image

SLOTS = 3
"""Pictures that the memory holds: one being written, one that waits, one that is looked at and kept."""


class Pictures:
    """The slots of one camera; who may write or read which of them is agreed on by messages.

    The memory has no name, so nothing is left behind whoever is killed: it goes with the last process that maps it.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Map memory for pictures of this width and height."""
        width, height = size
        self.size = size
        self.memory: Any = multiprocessing.get_context("spawn").RawArray("B", SLOTS * height * width * 3)
        self.slots = slots_of(self.memory, size)


def slots_of(memory: Any, size: tuple[int, int]) -> list[Image]:
    """Return the slots of a memory that was handed to a process."""
    width, height = size
    return list(np.frombuffer(memory, np.uint8).reshape(SLOTS, height, width, 3))
