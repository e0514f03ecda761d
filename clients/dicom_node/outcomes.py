"""How sending a result may fail."""

from __future__ import annotations


class Unreachable(Exception):  # noqa: N818 - named for what happened
    """The destination does not answer, hung up, or has no room: nothing that the object could be blamed
    for.
    """


class Refused(Exception):  # noqa: N818 - named for what happened
    """The destination did not take an object."""

    def __init__(self, reason: str, *, for_ever: bool = False) -> None:
        super().__init__(reason)
        self.for_ever = for_ever
        """Whether there is no use in sending it again."""
