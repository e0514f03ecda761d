"""The page that shows `openapi.json` to people: plain HTML, made once, that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).with_name("openapi.json")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere }
details { border-top: 1px solid #8884; padding: 0.3rem 0 }
summary { cursor: pointer }
summary code { font-weight: 600 }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid #8884; padding: 0.2rem 0.6rem 0.2rem 0; text-align: left; vertical-align: top }
"""
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The content security policy that the page needs."""


def page(document: dict[str, Any]) -> str:
    """The page in HTML."""
    info = document["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{html.escape(info['title'])}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{html.escape(info['title'])}</h1><p>{_text(info['summary'])}</p>",
        f'<p>{_text(info["description"])}</p><p><a href="openapi.json">openapi.json</a></p>',
    ]
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for tag, description in tags.items():
        operations = [
            (method, path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if tag in operation["tags"]
        ]
        if operations:
            parts.append(f"<h2>{html.escape(tag)}</h2><p>{_text(description)}</p>")
            parts += [_operation(*found) for found in operations]
    parts.append("<h2>Messages</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts += _schema(name, schema)
    return "".join([*parts, "</main></body></html>"])


def text() -> str:
    """The page of the committed document."""
    return page(json.loads(DOCUMENT.read_text(encoding="utf-8")))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = []
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append(f"<tr><th>takes</th><td><code>{kind}</code></td><td>{_type(content['schema'])}</td></tr>")
        rows += [
            f"<tr><td></td><td><code>{html.escape(name)}</code></td>"
            f"<td>{_text(part.get('description', ''))}</td></tr>"
            for name, part in content["schema"].get("properties", {}).items()
        ]
    for kind, content in operation["responses"]["200"].get("content", {}).items():
        rows.append(f"<tr><th>gives</th><td><code>{kind}</code></td><td>{_type(content['schema'])}</td></tr>")
    return (
        f"<details><summary><code>{method.upper()} {html.escape(path)}</code> "
        f"{_text(operation['summary'])}</summary>"
        f"<p>{_text(operation.get('description', ''))}</p><table>{''.join(rows)}</table></details>"
    )


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{name}"><summary><code>{name}</code></summary>'
    yield f"<p>{_text(schema.get('description', ''))}</p><table>"
    for field, item in schema.get("properties", {}).items():
        needed = " (required)" if field in schema.get("required", ()) else ""
        yield f"<tr><td><code>{field}</code>{needed}</td><td>{_type(item)}</td>"
        yield f"<td>{_text(item.get('description', ''))}</td></tr>"
    yield "</table></details>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name.rpartition(".")[2]}</a>'
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    kind = schema.get("type", "file")
    return html.escape(kind if isinstance(kind, str) else kind[0])


def _text(markdown: str) -> str:
    """A comment's words; what stands between backticks is code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(markdown)).replace("\n- ", "<br>")
