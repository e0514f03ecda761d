"""The setting of a user's terminology, for the services that read codes and words with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import ServiceSettings, SettingsError
from services.clinical import terminology
from services.clinical.drugs import Drugs


@dataclass(frozen=True, kw_only=True)
class TerminologySettings(ServiceSettings):
    """What a service is told that reads codes and words."""

    terminology: Path | None = None
    """Folder of tables with the codes and names that this place uses; their rows take the place of the mesh's
    own (docs/terminology.md). `medmesh terminology check` says whether it can be used."""


def read_terminology(settings: TerminologySettings) -> str:
    """Take the terminology of the settings into use, and give its digest: empty without one. SettingsError
    where it cannot be used.
    """
    if settings.terminology is None:
        terminology.use(None)
        return ""
    try:
        read = terminology.Terminology.read(settings.terminology)
    except terminology.TerminologyError as error:
        raise SettingsError(settings.key("terminology"), str(error)) from None
    terminology.use(read)
    try:
        Drugs.load()  # what a table alone cannot show: a code of a drug that no table has
    except ValueError as error:
        raise SettingsError(settings.key("terminology"), str(error)) from None
    return read.sha256
