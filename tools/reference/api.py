"""`docs/api/`, from the comments, limits and marks of the contracts."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2 as d
from grpc_tools import protoc

from medmesh.common.v1 import options_pb2

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
DEFAULT_OUT = ROOT / "docs" / "api"
_SCALARS = {
    number: name.removeprefix("TYPE_").lower() for name, number in d.FieldDescriptorProto.Type.items()
}
_LEVELS = {1: "no side effects", 2: "idempotent"}
Comments = Mapping[tuple[int, ...], str]


@dataclass
class Page:
    """What stands in one package's page."""

    package: str
    intro: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    enums: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The page in Markdown."""
        parts = [
            f"# {self.package}",
            "Generated from `protos/` by `make docs`; change the comments there.",
            *self.intro,
            *self.services,
            *self.messages,
            *self.enums,
        ]
        return "\n\n".join(parts) + "\n"


def parsed_files(protos: Path = PROTOS) -> d.FileDescriptorSet:
    """The contracts with their comments."""
    sources = sorted(str(p.relative_to(protos)) for p in protos.rglob("*.proto"))
    with tempfile.NamedTemporaryFile(suffix=".binpb") as out:
        arguments = [
            "protoc",
            f"--proto_path={protos}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={out.name}",
            *sources,
        ]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc failed; its message is above")
        return d.FileDescriptorSet.FromString(Path(out.name).read_bytes())


def pages(protos: Path = PROTOS) -> dict[str, str]:
    """Name of each page's file -> its text."""
    made: dict[str, Page] = {}
    for file in parsed_files(protos).file:
        page = made.setdefault(file.package, Page(file.package))
        _add_file(page, file)
    index = ["# API reference", *(f"- [{p}]({p}.md)" for p in sorted(made))]
    texts = {f"{package}.md": page.text() for package, page in made.items()}
    return {"README.md": index[0] + "\n\n" + "\n".join(index[1:]) + "\n", **texts}


def comments_of(file: d.FileDescriptorProto) -> Comments:
    """The comment before each place of a file, by the place's path."""
    return {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}


def _add_file(page: Page, file: d.FileDescriptorProto) -> None:
    comments = comments_of(file)
    head = comments.get((2,), "")
    if head:
        page.intro.append(_prose(head))
    for number, service in enumerate(file.service):
        page.services.append(_service(service, comments, (6, number)))
    for number, message in enumerate(file.message_type):
        page.messages += _message(message, comments, (4, number), "")
        page.enums += _nested_enums(message, comments, (4, number), "")
    for number, enum in enumerate(file.enum_type):
        page.enums.append(_enum(enum, comments, (5, number), ""))


def _service(service: d.ServiceDescriptorProto, comments: Comments, path: tuple[int, ...]) -> str:
    lines = [f"## {service.name}", "", _prose(comments.get(path, ""))]
    for number, method in enumerate(service.method):
        takes, gives = _link(method.input_type), _link(method.output_type)
        if method.client_streaming:
            takes = f"stream of {takes}"
        if method.server_streaming:
            gives = f"stream of {gives}"
        level = _LEVELS.get(method.options.idempotency_level, "makes something anew")
        lines += ["", f"### {service.name}.{method.name}", "", f"{takes} → {gives} ({level})", ""]
        lines.append(_prose(comments.get((*path, 2, number), "")))
    return "\n".join(lines)


def _message(
    message: d.DescriptorProto, comments: Comments, path: tuple[int, ...], within: str
) -> Iterator[str]:
    if message.options.map_entry:
        return
    name = f"{within}{message.name}"
    lines = [f"## {name}", "", _prose(comments.get(path, "")), ""]
    if message.field:
        lines += ["| Field | Type | Meaning | Limits |", "|---|---|---|---|"]
    for number, item in enumerate(message.field):
        words = _cell(comments.get((*path, 2, number), ""))
        if item.HasField("oneof_index") and not item.proto3_optional:
            words = f"One of `{message.oneof_decl[item.oneof_index].name}`. {words}"
        if option(item.options, options_pb2.phi):
            words += " *May carry patient data.*"
        lines.append(f"| `{item.name}` | {_type(item, message)} | {words} | {_limits(item)} |")
    yield "\n".join(lines).rstrip()
    for number, nested in enumerate(message.nested_type):
        yield from _message(nested, comments, (*path, 3, number), f"{name}.")


def _nested_enums(
    message: d.DescriptorProto, comments: Comments, path: tuple[int, ...], within: str
) -> Iterator[str]:
    name = f"{within}{message.name}."
    for number, enum in enumerate(message.enum_type):
        yield _enum(enum, comments, (*path, 4, number), name)
    for number, nested in enumerate(message.nested_type):
        yield from _nested_enums(nested, comments, (*path, 3, number), name)


def _enum(enum: d.EnumDescriptorProto, comments: Comments, path: tuple[int, ...], within: str) -> str:
    lines = [
        f"## {within}{enum.name}",
        "",
        _prose(comments.get(path, "")),
        "",
        "| Value | Meaning |",
        "|---|---|",
    ]
    lines += [
        f"| `{value.name}` | {_cell(comments.get((*path, 2, number), ''))} |"
        for number, value in enumerate(enum.value)
    ]
    return "\n".join(lines)


def _type(item: d.FieldDescriptorProto, message: d.DescriptorProto) -> str:
    entry = next(
        (n for n in message.nested_type if item.type_name.endswith(f".{message.name}.{n.name}")), None
    )
    if entry is not None and entry.options.map_entry:
        key, value = entry.field
        return f"map of {_SCALARS[key.type]} to {_type(value, entry)}"
    name = _link(item.type_name) if item.type_name else _SCALARS[item.type]
    if item.label == d.FieldDescriptorProto.LABEL_REPEATED:
        return f"list of {name}"
    return f"{name}, optional" if item.proto3_optional else name


def _link(full_name: str) -> str:
    name = full_name.removeprefix(".")
    found = re.match(r"(medmesh\.[a-z_]+\.v\d+)\.(.+)", name)
    if found is None:
        return f"`{name}`"
    anchor = found[2].lower().replace(".", "")
    return f"[{found[2]}]({found[1]}.md#{anchor})"


def _limits(item: d.FieldDescriptorProto) -> str:
    limits = option(item.options, options_pb2.limits)
    return ", ".join(_limit_words(limits))


def _limit_words(limits: options_pb2.Limits) -> Iterable[str]:
    if limits.required:
        yield "required"
    if limits.HasField("max_count"):
        yield f"at most {limits.max_count:,} elements"
    if limits.HasField("max_length"):
        yield f"at most {limits.max_length:,} characters"
    if limits.HasField("max_bytes"):
        yield f"at most {limits.max_bytes:,} bytes"
    if limits.HasField("min"):
        yield f"at least {limits.min:g}"
    if limits.HasField("max"):
        yield f"at most {limits.max:g}"
    if limits.HasField("pattern"):
        yield f"`{limits.pattern}`"


def option(options: Any, extension: Any) -> Any:
    """The value of a custom option; the generated stubs do not know which message it extends."""
    return options.Extensions[extension]


def _prose(comment: str) -> str:
    return "\n".join(line.strip() for line in comment.splitlines())


def _cell(comment: str) -> str:
    return re.sub(r"\s+", " ", comment).replace("|", "\\|").strip()


def write(out: Path = DEFAULT_OUT) -> None:
    """Writes the pages and removes those of packages that are gone."""
    texts = pages()
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("*.md"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
