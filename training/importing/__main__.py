"""`python -m training.importing`, which `medmesh models import` runs in the training environment."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bootstrap import Missing
from training.importing import Refused
from training.model_card import MODEL_REPOSITORY

if TYPE_CHECKING:
    from training.importing.importer import Order
    from training.importing.source import Source

PROGRAM = os.environ.get("MEDMESH_IMPORT_PROGRAM", "python -m training.importing")
"""How the user called it; the command line sets it."""
REFUSED = 3
EPILOG = """\
What cannot be read from the model (intended use, population, licences, figures, limitations) is asked
for on a terminal, or said in a file or with --set; without it there is no import.
docs/importing.md walks through one.
"""


def main(arguments: Sequence[str]) -> int:
    parsed = _parser().parse_args(arguments)
    try:
        _need("onnx", "jsonschema")
        from training.importing.importer import run

        order = _order(parsed)
        source = _source(parsed)
        run(order, source, print, input if sys.stdin.isatty() else None)
    except Refused as refused:
        print(f"medmesh: {refused}", file=sys.stderr)
        return REFUSED
    except Missing as missing:
        print(f"medmesh: {missing}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"medmesh: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return REFUSED
    except (KeyboardInterrupt, EOFError):
        print("\nmedmesh: stopped; the repository is as it was", file=sys.stderr)
        return REFUSED
    print(f"serve it: medmesh up --models {shlex.quote(str(parsed.repository))}")
    return 0


def _order(parsed: argparse.Namespace) -> Order:
    from training.importing import facts
    from training.importing.importer import Order
    from training.importing.paths import set_fact

    if not re.fullmatch(r"[a-z][a-z0-9_]*", parsed.name):
        raise Refused(f"{parsed.name!r} is no name for a model: small letters, digits and _")
    given = facts.read_file(parsed.card_fields) if parsed.card_fields else {}
    for pair in parsed.set:
        set_fact(given, *_pair("--set", pair))
    command = f"{PROGRAM} {shlex.join([parsed.kind, parsed.source.name, '--name', parsed.name])}"
    return Order(parsed.name, parsed.repository, given, parsed.source, command, parsed.force)


def _source(parsed: argparse.Namespace) -> Source:
    if parsed.kind == "onnx":
        from training.importing.onnx_file import OnnxFile

        renamed = dict(_pair("--rename", pair) for pair in parsed.rename)
        return OnnxFile(parsed.source, renamed, parsed.file)
    _need("torch", "onnxruntime")
    if parsed.kind == "torchxrayvision":
        from training.importing.radiographs import Radiographs

        labels = parsed.labels.read_text(encoding="utf-8").splitlines() if parsed.labels else None
        return Radiographs(parsed.source, labels, thresholdless=parsed.without_thresholds)
    if parsed.kind == "monai-bundle":
        from training.importing.monai_bundle.source import MonaiBundle

        return MonaiBundle(parsed.source)
    _need("transformers")
    return _checkpoint(parsed.kind, parsed.source)


def _checkpoint(kind: str, folder: Path) -> Source:
    """One of a Hugging Face folder."""
    if kind == "token-classifier":
        from training.importing.huggingface.token_classifier import TokenClassifier

        return TokenClassifier(folder)
    if kind == "text-classifier":
        from training.importing.huggingface.text_classifier import TextClassifier

        return TextClassifier(folder)
    if kind == "image-classifier":
        from training.importing.huggingface.image_classifier import ImageClassifier

        return ImageClassifier(folder)
    from training.importing.huggingface.sentence_encoder import SentenceEncoder

    return SentenceEncoder(folder)


def _pair(option: str, text: str) -> tuple[str, str]:
    left, _, right = text.partition("=")
    if not left or not right:
        raise Refused(f"{option} takes two parts, as in A=B, not {text!r}")
    return left, right


def _need(*packages: str) -> None:
    lacking = [package for package in packages if importlib.util.find_spec(package) is None]
    if lacking:
        raise Refused(
            f"{', '.join(lacking)} is not installed here; make the training environment "
            "(python3 tools/bootstrap.py training) and run this with .venv-training/bin/python"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Write a model as a folder that a service serves by its card.",
        epilog=EPILOG,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", required=True, help="name of the model's folder")
    common.add_argument("--repository", type=Path, default=MODEL_REPOSITORY, help="default %(default)s")
    common.add_argument("--card-fields", type=Path, metavar="FILE", help="facts of the card, TOML or JSON")
    common.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="one fact, e.g. licence=Apache-2.0"
    )
    common.add_argument("--force", action="store_true", help="replace a model of this name")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    xrays = kinds.add_parser(
        "torchxrayvision", parents=[common], help="a state dict of TorchXRayVision's DenseNet-121"
    )
    xrays.add_argument("source", type=Path, metavar="FILE.pt")
    xrays.add_argument(
        "--labels", type=Path, metavar="FILE", help="one finding a line, in the classifier's order"
    )
    xrays.add_argument("--without-thresholds", action="store_true", help="accept weights without op_threshs")
    for kind, help_text in (
        ("token-classifier", "a Hugging Face folder with a token classification checkpoint"),
        ("text-classifier", "a Hugging Face folder with a sequence classification checkpoint of texts"),
        ("image-classifier", "a Hugging Face folder with an image classification checkpoint"),
        ("sentence-encoder", "a Hugging Face folder with an encoder, and its pooling"),
    ):
        kinds.add_parser(kind, parents=[common], help=help_text).add_argument(
            "source", type=Path, metavar="FOLDER"
        )
    kinds.add_parser(
        "monai-bundle", parents=[common], help="a MONAI bundle, a folder or a zip, with ONNX or TorchScript"
    ).add_argument("source", type=Path, metavar="BUNDLE")
    file = kinds.add_parser("onnx", parents=[common], help="an ONNX file")
    file.add_argument("source", type=Path, metavar="FILE.onnx")
    file.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="give an input or output a name"
    )
    file.add_argument(
        "--file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file that the card names, e.g. tokenizer.json",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
