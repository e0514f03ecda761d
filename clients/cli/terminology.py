"""`medmesh terminology`: check one's own terminology, look a code or a name up, fetch from a FHIR server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.failures import ExitCode, fail
from clients.cli.terminology_server import Coding, ServerError, TerminologyServer

if TYPE_CHECKING:
    from services.clinical.drugs import Drugs
    from services.clinical.terminology import Terminology

Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="Base address of a FHIR terminology server (R4 or R5), e.g. .../r4."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="File with the server's bearer token; https only."),
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds that one answer of the server may take.")]
Own = Annotated[
    Path | None,
    typer.Option(
        "--terminology",
        metavar="DIR",
        envvar="MEDMESH_TERMINOLOGY",
        help="Folder of tables whose rows take the place of the mesh's own.",
    ),
]


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of tables.")],
    server: Server = None,
    token_file: TokenFile = None,
    most: Annotated[
        int, typer.Option("--most", min=1, max=10_000, help="Codes that the server is asked about.")
    ] = 200,
    timeout: Timeout = 30.0,
) -> None:
    """Say whether a folder can be used as the mesh's terminology, and what it changes.

    With --server its codes are also looked up there. Exits 3 where the folder cannot be used, 1 where the
    server does not know a code.

    Examples:
      medmesh terminology check hospital-terminology

      medmesh terminology check hospital-terminology --server https://tx.example.org/r4
    """
    read = _read(folder)
    _load(read)
    for name, rows in read.tables.items():
        typer.echo(f"{name}: {len(rows)} rows")
    typer.echo(f"sha256 {read.sha256}")
    if server is None:
        return
    unknown = 0
    asked = list(dict.fromkeys(_codes(read)))[:most]
    with_token = _server(server, token_file, timeout)
    for system, code in asked:
        try:
            display = with_token.lookup(system, code)
        except ServerError as error:
            fail(f"{error}.", ExitCode.UNAVAILABLE)
        if display is None:
            typer.echo(f"unknown to the server: {system} {code}")
            unknown += 1
    typer.echo(f"{len(asked) - unknown} of {len(asked)} codes are known to the server")
    if unknown:
        raise typer.Exit(ExitCode.FAILED)


def lookup(
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORDS", help="A name, or a code with its system, e.g. 'atc|B01AA03'."),
    ],
    own: Own = None,
) -> None:
    """Show what the mesh takes a name or a code for: drugs, their classes, and what a code is translated to.

    No service is asked. Exits 1 where nothing is known.

    Examples:
      medmesh terminology lookup Coumadin

      medmesh terminology lookup 'atc|B01AA03'
    """
    from services.clinical import terminology
    from services.clinical.code_systems import SYSTEM_BY_SHORT_NAME, canonical_system
    from services.clinical.concepts import canonical_concept

    read = _read(own) if own else None
    drugs = _load(read)
    text = " ".join(words)
    system, separator, code = text.partition("|")
    if separator:
        uri = SYSTEM_BY_SHORT_NAME.get(system.lower(), canonical_system(system))
        meant = terminology.translated(canonical_concept(uri, code))
        for concept in meant[1:]:
            typer.echo(f"is {concept.key} {concept.display}".rstrip())
        found = drugs.find([concept.key for concept in meant], [])
        known = bool(meant[1:] or found)
    else:
        found = drugs.find([], [text])
        known = bool(found)
    for name in sorted(found):
        classes = sorted(drugs.groups({name}) - {name})
        typer.echo(f"class {name}" if name in drugs.classes else f"drug {name}: {', '.join(classes) or '-'}")
    if not known:
        fail("nothing is known of it. A drug that is not known is never checked.", ExitCode.FAILED)


def fetch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that the tables go to.")],
    server: Annotated[str, typer.Option("--server", metavar="URL", help="Base address of the server.")],
    concept_map: Annotated[
        list[str] | None,
        typer.Option("--concept-map", metavar="URL", help="Canonical address of a concept map. Repeatable."),
    ] = None,
    drug: Annotated[
        list[str] | None,
        typer.Option(
            "--drug",
            metavar="NAME=URL",
            help="A drug or class of the mesh, and the canonical address of the value set with its codes. "
            "Repeatable.",
        ),
    ] = None,
    token_file: TokenFile = None,
    timeout: Timeout = 30.0,
) -> None:
    r"""Fetch concept maps and value sets from a FHIR terminology server into a folder of tables.

    Of a concept map those targets are taken that say the same as their source or more: a rule on a narrower
    one need not hold. Tables that are there are written anew.

    Examples:
      medmesh terminology fetch own --server https://tx.example.org/r4 \
        --concept-map http://example.org/ConceptMap/local-to-icd10cm

      medmesh terminology fetch own --server https://tx.example.org/r4 \
        --drug warfarin=http://example.org/ValueSet/warfarin-products
    """
    from services.clinical import terminology
    from services.clinical.drugs import Drugs

    named = [item.partition("=") for item in drug or []]
    if not (concept_map or named) or not all(name and url for name, _, url in named):
        fail("give --concept-map URL or --drug NAME=URL.", ExitCode.USAGE)
    terminology.use(None)
    known = Drugs.load()
    for name, _, _ in named:
        if name not in known.names | known.classes:
            fail(f"{name} is no drug and no class of the mesh (medmesh terminology lookup).", ExitCode.INPUT)
    asked = _server(server, token_file, timeout)
    mapped: list[Sequence[str]] = []
    codes: list[Sequence[str]] = []
    try:
        for url in concept_map or []:
            found = asked.concept_map(url)
            mapped += [(*_cells(one.source)[:2], *_cells(one.target), found.name) for one in found.mappings]
            typer.echo(f"{found.name}: {len(found.mappings)} mappings, {found.left_out_count} left out")
        for name, _, url in named:
            version, codings = asked.value_set(url)
            codes += [(name, *_cells(coding), version) for coding in codings]
            typer.echo(f"{version}: {len(codings)} codes of {name}")
    except ServerError as error:
        fail(f"{error}.", ExitCode.UNAVAILABLE)
    folder.mkdir(parents=True, exist_ok=True)
    for file, rows in (("concept_map.tsv", mapped), ("drug_codes.tsv", codes)):
        if rows:
            _write(folder / file, rows, server)
    _load(_read(folder))


def _read(folder: Path) -> Terminology:
    from services.clinical.terminology import Terminology, TerminologyError

    try:
        return Terminology.read(folder)
    except TerminologyError as error:
        fail(f"{folder}: {error}.", ExitCode.INPUT)


def _load(read: Terminology | None) -> Drugs:
    """The drugs with the terminology, as a service would read them at its start."""
    from services.clinical import terminology
    from services.clinical.drugs import Drugs

    terminology.use(read)
    try:
        return Drugs.load()
    except ValueError as error:
        fail(f"{error}.", ExitCode.INPUT)


def _server(url: str, token_file: Path | None, timeout_s: float) -> TerminologyServer:
    try:
        token = token_file.read_text(encoding="utf-8").strip() if token_file else ""
        return TerminologyServer(url, token=token, timeout_s=timeout_s)
    except (ServerError, OSError) as error:
        fail(f"{error}.", ExitCode.INPUT)


def _codes(read: Terminology) -> Iterable[tuple[str, str]]:
    """The codes that the folder's tables name, by the address of their system."""
    from services.clinical.code_systems import SYSTEM_BY_SHORT_NAME, canonical_system

    for _name, system, code, *_ in read.tables.get("drug_codes.tsv", ()):
        yield SYSTEM_BY_SHORT_NAME.get(system, system), code
    for _system, _code, system, code, *_ in read.tables.get("concept_map.tsv", ()):
        yield canonical_system(system), code
    for rxcui, *_ in (*read.tables.get("drugs.tsv", ()), *read.tables.get("drug_products.tsv", ())):
        if rxcui:
            yield SYSTEM_BY_SHORT_NAME["rxnorm"], rxcui
    for icd10cm, *_ in read.tables.get("diseases.tsv", ()):
        if icd10cm:
            yield SYSTEM_BY_SHORT_NAME["icd10cm"], icd10cm


def _cells(coding: Coding) -> tuple[str, str, str]:
    return coding.system, coding.code, " ".join(coding.display.split()) or coding.code


def _write(path: Path, rows: Iterable[Sequence[str]], server: str) -> None:
    from services.clinical import terminology

    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    columns = ", ".join(terminology.TABLES[path.name].columns)
    lines = ["\t".join(row) for row in dict.fromkeys(map(tuple, rows))]
    head = [f"# Fetched from {server} on {today}.", f"# {columns}"]
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
