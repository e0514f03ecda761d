"""Writes the generated parts of `docs/`: `python -m tools.reference`."""

from tools.reference import api, configuration, openapi

api.write()
configuration.write()
openapi.write()
