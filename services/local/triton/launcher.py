"""Starts the embedded Triton on a model repository, waits until it is ready, and ends it.

For one machine only: it binds to loopback unless told otherwise, because its release (24.10) has known holes
(docs/triton.md). Nothing here starts a server again that has ended or is stopped: `services.local.mesh` does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from services.chassis.models.repository import EMBEDDED_ID, model_folders
from services.chassis.settings import (
    MODEL_REPOSITORY,
    Settings,
    bounded,
    is_loopback,
    named,
    port,
    told_in_code,
)
from services.local import ports
from services.local.process import Child
from services.local.triton import key, leftovers, repository, server_log
from services.local.triton.backends import own_core, progress
from services.local.triton.installation import Installation, is_plain, scratch_folder
from services.local.triton.processes import ModelProcesses
from services.local.triton.runs import Runs
from tools import bootstrap
from tools.bootstrap import Missing

if TYPE_CHECKING:
    from collections.abc import Callable

_NEEDED_DISK_MB = 200
OWN_OUTPUT = Path("-")


class TritonError(RuntimeError):
    """The embedded Triton did not start, or has ended; the message is for the operator."""


class TritonAbortedError(TritonError):
    """A signal ended it."""


@dataclass(frozen=True, kw_only=True)
class TritonSettings(Settings):
    """How the embedded Triton is started."""

    PREFIX = "MEDMESH_TRITON_"

    repository: tuple[Path, ...] = named("MEDMESH_MODEL_REPOSITORY", (MODEL_REPOSITORY,))
    """Folders of models; of two models of one name the one of the first folder counts."""
    models: tuple[str, ...] = ()
    """Names of the only models to load; none: all of the repository."""
    model_config: str = ""
    """Which of the models' `configs/` is taken in place of `config.pbtxt`, where a model has it; `tensorrt`:
    the one for a GPU."""
    host: str = "127.0.0.1"
    """Address that it listens on; beyond loopback only in a network that only the services are in."""
    grpc_port: int = port()
    """Port of its gRPC endpoint; 0: a free one. `.env` says 8001."""
    http_port: int = port()
    """Port of its HTTP endpoint; 0: a free one. `.env` says 8000."""
    metrics_port: int = port()
    """Port of its metrics; 0: a free one. `.env` says 8002."""
    ready_timeout_s: float = bounded(120.0, 0.0, 86_400.0)
    """How long loading the models may take, in seconds."""
    longest_run_s: float = bounded(120.0, 1.0, 86_400.0)
    """A model's process that is at one run for longer hangs, and Triton is started again, in seconds. One
    that never took a twentieth of the time before, or 1.5 s, hangs sooner: after 30 s."""
    key_file: Path | None = None
    """File with the key that its callers have to show, for anything but health. Unset: it asks for none;
    `medmesh up` makes one at each start."""
    log: Path = bootstrap.ROOT / ".medmesh" / "run" / "triton.log"
    """File of its log; `-`: this process's own output."""
    traces_url: str = ""
    """Where it posts its spans (OTLP over HTTP, …/v1/traces); empty: nowhere."""
    arguments: tuple[str, ...] = told_in_code(default=())
    """Further arguments for tritonserver, as they are."""

    @property
    def is_controlled(self) -> bool:
        """Whether models are loaded and unloaded when it is told: on loopback alone, since whoever may give
        it a model's configuration may make it run any code. Elsewhere it loads what it finds at its start.
        """
        return is_loopback(self.host)


class EmbeddedTriton:
    """A tritonserver that runs; use it as a context manager, or call `stop`."""

    def __init__(
        self,
        child: Child,
        settings: TritonSettings,
        claimed: tuple[int, int, int],
        scratch: Path,
        links: repository.Links,
        names: list[str],
    ) -> None:
        self._child = child
        self._links = links
        self._names = names
        self._settings = settings
        self._scratch = scratch
        host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 - a comparison
        self.grpc_address, self.http_address, self.metrics_address = (f"{host}:{port}" for port in claimed)
        self._log_read = 0
        self._shows_key = settings.key_file is not None
        self._environments = set(leftovers.environment_folders())
        self._processes = ModelProcesses(child.process.pid, Runs(scratch / "runs", settings.longest_run_s))

    @classmethod
    def start(
        cls, settings: TritonSettings | None = None, say: Callable[[str], object] = print
    ) -> EmbeddedTriton:
        """Starts the server and returns when every model that can be is loaded: `launch` and `wait`."""
        return cls.launch(settings, say).wait(say)

    @classmethod
    def launch(
        cls, settings: TritonSettings | None = None, say: Callable[[str], object] = print
    ) -> EmbeddedTriton:
        """Starts the server, which goes on loading; `say` receives what is not loaded and why.

        Call it from a thread that lives as long as the server should (see `Child.start`).

        Raises:
            Missing: the machine, the environment or the repository lacks something.
        """
        settings = settings or TritonSettings()
        installation = Installation.find(say)
        unloadable = repository.check(settings.repository, settings.models)
        found = model_folders(settings.repository)
        names = [name for name in settings.models or found if name not in unloadable]
        later = {name for name in names if _may_wait(settings, found[name].path)}
        names = [name for name in names if name not in later]
        for name, problem in unloadable.items():
            say(f"not loaded: {name}: {problem}")
        bootstrap.check_disk(Path(tempfile.gettempdir()), _NEEDED_DISK_MB)
        bootstrap.check_disk(leftovers.SHARED_MEMORY, 16 * len(names))
        claimed = _ports(settings)
        leftovers.remove_of_the_dead()
        scratch = scratch_folder()
        try:
            backends = installation.backends(None if is_plain(installation.environment) else scratch)
            links = repository.Links(scratch / "repository", settings.repository, settings.models)
            (scratch / "runs").mkdir()
            shared = {own_core.FILE: str(scratch / "cores"), progress.FOLDER: str(scratch / "runs")}
            arguments = _arguments(settings, names, links.folder, backends, claimed, scratch)
            command = [str(installation.server), *arguments]
            child = Child.start(
                "triton",
                command,
                env=installation.variables() | shared,
                cwd=scratch,
                log=None if settings.log == OWN_OUTPUT else settings.log,
                leaves=[str(scratch), str(leftovers.SHARED_MEMORY / f"{leftovers.region_prefix(scratch)}*")],
            )
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        if later:
            say(f"to be loaded on first use: {', '.join(sorted(later))}")
        return cls(child, settings, claimed, scratch, links, names)

    def wait(self, say: Callable[[str], object] = print) -> EmbeddedTriton:
        """The server, with every model loaded that can be; `say` receives the progress.

        Another one, started in its place, where this was aborted: it is on machines that have no time for it.
        Raises TritonError where the server ended, or was not ready in time; it is stopped then.
        """
        try:
            self._wait(say)
        except TritonAbortedError:
            say(f"{self._child.describe_exit()} while it started; starting it once more")
            again = EmbeddedTriton.launch(self.settings_on_its_ports(), say)
            again._wait(say)  # noqa: SLF001 - its own class
            return again
        return self

    def _wait(self, say: Callable[[str], object]) -> None:
        try:
            self._wait_until_ready(self._names, say)
            self._close_regions()
            self._processes.look()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        return self._child.process.pid

    @property
    def child(self) -> Child:
        """The server's process and its log."""
        return self._child

    def settings_on_its_ports(self) -> TritonSettings:
        """The settings that start it again at the same addresses."""
        grpc, http, metrics = (
            int(address.rpartition(":")[2])
            for address in (self.grpc_address, self.http_address, self.metrics_address)
        )
        return dataclasses.replace(self._settings, grpc_port=grpc, http_port=http, metrics_port=metrics)

    def is_ready(self) -> bool:
        """See `is_ready` of this module."""
        return is_ready(self.http_address)

    def check(self) -> None:
        """Raises TritonError where the server, or a process that serves one of its models, has ended; keeps
        Triton's repository as the models' folders are.

        Triton does not start a model's process again and goes on saying that the model is ready.
        """
        if self._child.exit_code is not None:
            kind = TritonAbortedError if self._child.exit_code < 0 else TritonError
            raise kind(self._explain(self._child.describe_exit()))
        self._links.refresh()
        self._close_regions()
        if broken := self._processes.broken():
            raise TritonError(self._explain(broken))

    def new_log_lines(self) -> list[str]:
        """What the server has logged since the last call: errors and warnings only."""
        if self._child.log is None:
            return []
        with self._child.log.open("rb") as log:
            log.seek(self._log_read)
            text = log.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._log_read += len(complete)
        return server_log.troubles(complete.decode(errors="replace"))

    def stop(self, grace_s: float = 15.0) -> None:
        """Lets running requests finish for `grace_s` seconds at most, ends the server and its model
        processes, and removes what they left.
        """
        self._child.stop(grace_s, is_done=self._has_finished_requests)
        for region in leftovers.regions(self._scratch):
            region.unlink(missing_ok=True)
        shutil.rmtree(self._scratch, ignore_errors=True)
        for folder in set(leftovers.environment_folders()) - self._environments:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _close_regions(self) -> None:
        """What passes to models is nobody else's to read, whatever the backend makes of the umask."""
        for region in leftovers.regions(self._scratch):
            with contextlib.suppress(FileNotFoundError):  # unloaded
                region.chmod(0o600)

    def _hide_key(self, say: Callable[[str], object], *, has_read: bool = False) -> None:
        """Takes the key out of the list of processes, once the server has read its arguments: it logs after
        that.
        """
        log, file = self._child.log, self._settings.key_file
        if not self._shows_key or file is None or not (has_read or (log is not None and log.stat().st_size)):
            return
        self._shows_key = False
        if not key.hide(self.pid, file):
            say(
                "Triton's key cannot be taken out of the list of processes: every user of this machine can "
                "read it"
            )

    def _has_finished_requests(self) -> bool:
        """Whether only the unloading of models is left, which takes Triton seconds and changes nothing."""
        log = self._child.log
        return log is not None and "All models are stopped" in log.read_text(errors="replace")

    def _wait_until_ready(self, names: list[str], say: Callable[[str], object]) -> None:
        deadline = time.monotonic() + self._settings.ready_timeout_s
        told = 0
        say(f"starting Triton with {len(names)} model(s): {', '.join(names)}")
        while True:
            self.check()
            self._hide_key(say)
            ready = self.is_ready()  # asked before the log is read: what is ready has been logged
            for name in self._loaded_models()[told:]:
                told += 1
                say(f"  {told}/{len(names)} models loaded ({name})")
            if ready:
                self._hide_key(say, has_read=True)
                for name in set(names) - set(self._loaded_models()):
                    say(f"not loaded: {self._explain(name, name)}")
                break
            if time.monotonic() > deadline:
                raise TritonError(
                    self._explain(f"triton was not ready within {self._settings.ready_timeout_s:.0f} s")
                )
            time.sleep(0.05)  # Triton offers no event to wait for
        say(
            f"Triton is ready: gRPC {self.grpc_address}, HTTP {self.http_address}, "
            f"metrics {self.metrics_address}"
        )

    def _loaded_models(self) -> list[str]:
        log = self._child.log
        return [] if log is None else server_log.loaded_models(log.read_text(errors="replace"))

    def _explain(self, what: str, model: str = "") -> str:
        """`what`, with the log's own reason, of one model or of all, and where the whole log is."""
        log = self._child.log
        if log is None:
            return what
        told = server_log.reasons(log.read_text(errors="replace"), model)
        return f"{what}{': ' + told if told else ''} (whole log: {log})"


def is_ready(http_address: str) -> bool:
    """Whether a Triton says that it and all its models are ready; it can say so of one that has died."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{http_address}/v2/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException):
        return False  # the last: whoever answers there speaks another protocol


def _may_wait(settings: TritonSettings, folder: Path) -> bool:
    """Whether a model is loaded when it is first asked for: not where it was named, or could not be then."""
    return settings.is_controlled and not settings.models and repository.loads_on_first_use(folder)


def _ports(settings: TritonSettings) -> tuple[int, int, int]:
    wanted = {"grpc": settings.grpc_port, "http": settings.http_port, "metrics": settings.metrics_port}
    claimed = ports.claim(settings.host, wanted, "MEDMESH_TRITON_{}_PORT")
    return claimed["grpc"], claimed["http"], claimed["metrics"]


def _arguments(
    settings: TritonSettings,
    names: list[str],
    folder: Path,
    backends: Path,
    claimed: tuple[int, int, int],
    scratch: Path,
) -> list[str]:
    grpc, http, metrics = claimed
    arguments = {
        "model-repository": str(folder),
        "backend-directory": str(backends),
        "id": EMBEDDED_ID,
        "model-control-mode": "explicit" if settings.is_controlled else "none",
        "exit-on-error": "false",  # a model that fails to load is reported; the others are served
        "strict-readiness": "false",
        "exit-timeout-secs": "10",
        "grpc-address": settings.host,
        "grpc-port": str(grpc),
        "http-address": settings.host,
        "http-port": str(http),
        "metrics-address": settings.host,
        "metrics-port": str(metrics),
        "allow-gpu-metrics": "false",
        "pinned-memory-pool-byte-size": "0",  # for GPUs
        "backend-config": f"python,shm-region-prefix-name={leftovers.region_prefix(scratch)}",
    }
    words = [f"--{key}={value}" for key, value in arguments.items()]
    if settings.is_controlled:
        words += [f"--load-model={name}" for name in names]
    if settings.model_config:
        words.append(f"--model-config-name={settings.model_config}")
    words.append("--disable-auto-complete-config")  # config.pbtxt says everything, here as in production
    if settings.traces_url:
        # rate=0: no request is traced of Triton's own accord, only one that carries a traceparent.
        traces = [
            "mode=opentelemetry",
            "level=TIMESTAMPS",
            "rate=0",
            f"opentelemetry,url={settings.traces_url}",
            "opentelemetry,bsp_schedule_delay=200",  # ms, as soon as `medmesh diagnose --trace` asks for them
        ]
        words += [f"--trace-config={option}" for option in traces]
    if settings.key_file is not None:
        try:
            words += key.arguments(settings.key_file)
        except (OSError, ValueError) as error:
            raise Missing(f"{settings.key('key_file')}: the file cannot be read, or is empty") from error
    return [*words, *settings.arguments]
