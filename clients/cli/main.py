"""The `medmesh` command: what it is made of. Each subcommand lives in the module that is named like it."""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from clients.cli import (
    analyze,
    archive,
    audit,
    certificates,
    console,
    deidentify,
    demo,
    diagnose,
    dicom_node,
    doctor,
    gateway,
    hl7_node,
    importing,
    jobs,
    literature,
    medications,
    models,
    recall,
    records,
    report,
    search,
    tenants,
    terminology,
    up,
    usage,
)
from clients.cli.failures import EXIT_CODES_HELP, warn
from clients.loadtest import command as loadtest
from clients.loadtest import overload_command

app = typer.Typer(
    name="medmesh",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES_HELP,
)

catalog = typer.Typer(
    cls=importing.ModelsGroup,
    rich_markup_mode=None,
    help="List the models of the mesh, show one model's card, check folders of models, take up what changed "
    "in the repository, or import a model.\n\n"
    "`medmesh models` lists and `medmesh models NAME` shows: `show` may be left out.",
)


tables = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Check your own terminology, look a code or a name up, fetch from a FHIR terminology server.",
)
publications = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Load publications of your own, and find passages in them with their citations.",
)

archives = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Read a whole archive through the mesh, each study once, whatever happens meanwhile.",
)
node = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Take images by DICOM, have the mesh read them, send the results back as DICOM objects.",
)
messages = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Take HL7 v2 messages by MLLP, have the mesh read them, send the results back as messages.",
)
load = typer.Typer(
    cls=loadtest.LoadtestGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    epilog="\b\n" + loadtest.GROUP_EXAMPLES,
    help="Load a mesh and measure it, list the profiles that come with medmesh, compare two reports.\n\n"
    "`medmesh loadtest --profile NAME` runs: `run` may be left out. `medmesh loadtest run --help` says with "
    "which options.",
)

waiting = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Hand cases in that may wait, and fetch their diagnoses (`medmesh up --door jobs`).",
)
receipts = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Check evidence receipts.")


@app.callback()
def medmesh(
    priority: Annotated[
        str,
        typer.Option(
            envvar="MEDMESH_PRIORITY",
            help="urgent, routine or bulk: which calls go first where they wait.",
            show_default="routine",
        ),
    ] = "",
) -> None:
    """Medical AI models behind one gRPC mesh. Research software: no answer is a diagnosis.

    Start with `medmesh demo`, or with `medmesh up` and, in another shell, `medmesh diagnose --help`.
    """
    from services.chassis import environment

    if priority:
        os.environ["MEDMESH_PRIORITY"] = priority  # where each command's client looks
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows `?` for what it lacks, rather than ending the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    for sentence in environment.unknown(os.environ):
        warn(sentence)


def _add(
    command: Callable[..., None], *, exit_codes: bool = False, to: typer.Typer = app, name: str | None = None
) -> None:
    """Adds a command: its docstring is its help, and the examples at the docstring's end keep their lines."""
    said, _, examples = (inspect.getdoc(command) or "").partition("\n\nExample")
    lines = [line for line in examples.splitlines()[1:] if line.strip()]
    epilog = "\b\n" + "\n".join(["Examples:", *lines]) if lines else ""
    texts = [epilog, *([EXIT_CODES_HELP] if exit_codes else [])]
    to.command(name, help=said, epilog="\n\n".join(texts))(command)


_add(up.up)
_add(demo.demo)
_add(console.console)
_add(gateway.gateway)
_add(diagnose.diagnose, exit_codes=True)
_add(diagnose.replay)
_add(report.report)
_add(report.summarize)
_add(audit.audit)
_add(usage.usage)
_add(tenants.tenants)
_add(recall.recall)
_add(certificates.certificates)
app.add_typer(receipts, name="receipts")
_add(audit.verify, to=receipts)
_add(analyze.image)
_add(analyze.note)
_add(records.treatments)
_add(medications.check_medications)
_add(records.similar)
_add(records.outcome)
_add(search.search)
_add(deidentify.deidentify, exit_codes=True)
app.add_typer(archives, name="archive")
_add(archive.run, to=archives)
_add(archive.status, to=archives)
_add(archive.set_aside, to=archives, name="set-aside")
_add(archive.retry, to=archives)
_add(archive.export, to=archives)
app.add_typer(waiting, name="jobs")
_add(jobs.submit, to=waiting)
_add(jobs.status, to=waiting)
_add(jobs.list_jobs, to=waiting, name="list")
_add(jobs.result, to=waiting)
_add(jobs.cancel, to=waiting)
app.add_typer(publications, name="literature")
_add(literature.load, to=publications)
_add(literature.search, to=publications)
_add(literature.status, to=publications)
_add(literature.remove, to=publications)
app.add_typer(catalog, name="models")
_add(models.list_models, to=catalog, name="list")
_add(models.models, to=catalog, name="show")
_add(models.check, to=catalog, name="check")
_add(models.sign, to=catalog, name="sign")
_add(models.reload, to=catalog, name="reload")
catalog.command(
    "import",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)(importing.import_model)
app.add_typer(tables, name="terminology")
_add(terminology.check, to=tables, name="check")
_add(terminology.lookup, to=tables, name="lookup")
_add(terminology.fetch, to=tables, name="fetch")
app.add_typer(node, name="dicom-node")
_add(dicom_node.serve, to=node)
_add(dicom_node.check, to=node)
_add(dicom_node.status, to=node)
_add(dicom_node.retry, to=node)
_add(dicom_node.discard, to=node)
_add(dicom_node.fetch, to=node)
app.add_typer(messages, name="hl7-node")
_add(hl7_node.serve, to=messages)
_add(hl7_node.check, to=messages)
_add(hl7_node.status, to=messages)
_add(hl7_node.retry, to=messages)
_add(doctor.doctor)
app.add_typer(load, name="loadtest")
_add(loadtest.run, to=load)
_add(overload_command.overload, to=load)
_add(loadtest.profiles, to=load)
_add(loadtest.compare, to=load)

if __name__ == "__main__":
    app()
