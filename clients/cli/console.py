"""`medmesh console`: the page that a person works with, and a mesh behind it where none runs."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks
from clients.cli.up import CHECK_INTERVAL_S, running, until_signalled

if TYPE_CHECKING:
    from services.local.mesh_settings import MeshSettings

_LOOK_S = 1.0


def console(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where the page is. Default: 127.0.0.1:8081.")
    ] = "",
) -> None:
    """Open the console: a page where one gives a case and watches how it is answered. Ctrl-C closes it.

    It works on the mesh at MEDMESH_URL. Where that is not set and no mesh runs on this machine, one is
    started on free ports, and stopped with the page. The page asks for a token where the mesh wants one, and
    stores nothing. docs/console.md has more.

    Examples:
      medmesh console

      medmesh console --listen 127.0.0.1:9000

      MEDMESH_URL=mesh.hospital.example:50060 medmesh console
    """
    if listen:
        os.environ["MEDMESH_LISTEN"] = listen
    if "MEDMESH_URL" in os.environ or _a_mesh_runs():
        from clients.console.__main__ import serve
        from clients.console.settings import ConsoleSettings

        with explained():
            _say_where(ConsoleSettings.from_environment().listen)
        serve()
    else:
        _with_a_mesh(listen)


def _say_where(address: str) -> None:
    what = Text("  A synthetic case is a click away; nothing that you give is stored.", style="dim")
    where = Text(f"  http://{address}", style="bold")
    marks.present([marks.heading("The console", "Ctrl-C closes it", "dim"), where, what])


def _a_mesh_runs() -> bool:
    from medmesh.connection import resolve

    found = resolve(
        None, imaging=None, language=None, recommendation=None, token=None, tls=None, timeout_s=None
    )
    host, _, port = found.targets["orchestrator"].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_LOOK_S).close()
    except OSError:
        return False
    return True


def _with_a_mesh(listen: str) -> None:
    from services.local.mesh_settings import MeshSettings

    with explained():
        usual = MeshSettings.from_environment()
        settings = _settings(usual, listen)
    ended = threading.Event()
    with running(settings) as mesh, until_signalled(ended):
        _say_where(mesh.addresses["console"])
        while not ended.wait(CHECK_INTERVAL_S):
            for line in mesh.tend():
                marks.console().print(Text(f"medmesh: {line}", style="bold yellow"))


def _settings(usual: MeshSettings, listen: str) -> MeshSettings:
    host, _, port = (listen or f"127.0.0.1:{usual.ports['console']}").rpartition(":")
    if host not in {"127.0.0.1", "localhost"} or not port.isdigit():
        said = "a mesh that is started with the page is for this machine: listen on 127.0.0.1:PORT."
        fail(said, ExitCode.INPUT)
    settings = usual.on_free_ports(usual.run_folder / "console").with_doors(["console"])
    return settings.with_port("console", int(port))
