"""What a service says of the models of a folder, without serving them: `python -m services.<name> check DIR`.

One JSON object a line: `model`, and `problems`, each with `field`, `problem` and `remedy`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import Inference
from services.chassis.models.served import Task
from services.chassis.observability.telemetry import Telemetry


def report(service: str, places: Iterable[str], tasks: Iterable[Task[Any]]) -> None:
    """Builds what the service would serve of these folders, and writes what it finds."""
    logging.disable(logging.CRITICAL)  # the report says it
    nothing_is_asked = cast("Inference", None)
    catalog = Catalog(service, [Path(place) for place in places], tasks, nothing_is_asked, Telemetry(service))
    for entry in catalog.entries():
        problems = [{"field": p.field, "problem": p.what, "remedy": p.remedy} for p in entry.problems]
        sys.stdout.write(json.dumps({"model": entry.name, "problems": problems}) + "\n")
