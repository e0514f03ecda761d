"""`medmesh gateway`: the HTTP door, until Ctrl-C."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def gateway(
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen.")] = "",
) -> None:
    """Open the HTTP door of a mesh that runs: JSON, Connect and gRPC-Web. Ctrl-C closes it.

    Where the mesh is, MEDMESH_URL says; where to listen, MEDMESH_LISTEN (127.0.0.1:8080). Callers bring their
    own tokens. `medmesh up --door gateway` starts mesh and door together. docs/http.md has more.

    Examples:
      medmesh gateway

      medmesh gateway --listen 127.0.0.1:8088

      curl -F image=@samples/chest_xray.dcm -F note=@samples/note.txt http://127.0.0.1:8080/diagnose
    """
    from clients.gateway.__main__ import main

    if listen:
        os.environ["MEDMESH_LISTEN"] = listen
    main()
