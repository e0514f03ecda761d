"""Writes the generated parts of `docs/`: `python -m tools.reference`."""

from tools.reference import api, configuration

api.write()
configuration.write()
