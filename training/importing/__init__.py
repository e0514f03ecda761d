"""Brings models from elsewhere into a model repository: `medmesh models import` (docs/importing.md)."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - the import is refused; nothing went wrong in the code
    """A model cannot be imported as it is; the message says why and what to do."""
