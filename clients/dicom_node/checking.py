"""Whether everybody whom a node needs answers."""

from __future__ import annotations

from clients.dicom_node.configuration import Configuration, Destination
from clients.dicom_node.outcomes import Refused, Unreachable
from clients.dicom_node.sending import echo
from clients.dicom_node.web_client import Archive
from medmesh import Client, MedmeshError

_NOBODY = "1.2.3"
"""A study that no archive has: the question is whether it answers."""


def problems(configuration: Configuration) -> dict[str, str]:
    """The mesh and each destination by name, with what is wrong; empty: it answers.

    Raises ConfigurationError where the files of `[tls]` cannot be used.
    """
    configuration.tls.server_context()
    return {"mesh": _mesh()} | {to.name: _destination(configuration, to) for to in configuration.destinations}


def _mesh() -> str:
    try:
        with Client(attempts=1) as client:
            served = {model.name for model in client.models().models}
    except MedmeshError as error:
        return f"{error.message}: start it with `medmesh up`, or name it in MEDMESH_URL"
    return "" if served else "it serves no model"


def _destination(configuration: Configuration, to: Destination) -> str:
    try:
        if to.url:
            list(Archive(to.url, to.token_file, configuration.tls.ca).instances(_NOBODY))
        elif not echo(configuration, to):
            return "it refuses C-ECHO"
    except Refused as refused:
        return f"it answers and refuses ({refused}): check url and token_file"
    except Unreachable:
        return "it does not answer: check address and ae_title, and that it knows this node's AE title"
    return ""
