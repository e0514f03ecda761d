"""A model's process that is at one request for far longer than it ever was is found, whatever it does."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc

from services.local.triton import EmbeddedTriton, TritonError, TritonSettings
from services.local.triton.backends.progress import PAGE
from services.local.triton.processes import model_instances, process_state
from services.local.triton.runs import Runs
from tests.local.triton import tiny_models

FOR_HOURS = 10**12
"""Rounds."""


class Watched:
    """One process, whose runs are told here, and whoever looks once a second."""

    def __init__(self, folder: Path, longest_s: float) -> None:
        self.page = folder / "1"
        self.now = 1000.0
        self.runs = Runs(folder, longest_s, lambda: self.now)

    def found_after_s(self, began: float, longest_s: float, looks: int, apart_s: float = 1.0) -> float | None:
        """When it was found to hang, so many seconds after the first look; None: never."""
        self.page.write_bytes(PAGE.pack(began, longest_s))
        first = self.now
        for _ in range(looks):
            if self.runs.hung_s(1) is not None:
                return self.now - first
            self.now += apart_s
        return None


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path, 120.0)


def test_a_run_is_held_against_the_longest_one_before_it(watched: Watched):
    assert watched.found_after_s(1.0, 0.2, 40) == 31.0
    assert watched.found_after_s(2.0, 4.0, 200) == 81.0  # another run
    assert watched.found_after_s(3.0, 60.0, 200) == 121.0
    assert watched.found_after_s(4.0, 0.0, 200) == 121.0  # nothing is known of it yet


def test_runs_that_end_and_a_process_that_waits_are_well(watched: Watched):
    for began in range(1, 200):
        assert watched.found_after_s(float(began), 0.2, 5) is None
    assert watched.found_after_s(0.0, 0.2, 500) is None
    watched.page.unlink()
    assert watched.found_after_s(1.0, 0.2, 1) is None
    assert Runs(watched.page.parent / "nowhere", 1.0).hung_s(7) is None


def test_a_machine_that_stands_still_makes_nobody_hang(watched: Watched):
    assert watched.found_after_s(1.0, 0.2, 2, apart_s=3600.0) is None


def hung(triton: EmbeddedTriton) -> str:
    """What is said of a process that hangs; empty: nothing."""
    try:
        triton.check()
    except TritonError as error:
        return str(error)
    assert triton.is_ready()  # Triton notices nothing
    return ""


@pytest.mark.live
def test_a_process_that_spins_is_found_and_one_that_works_is_not(tmp_path: Path):
    repository = tmp_path / "repository"
    tiny_models.write(repository, "work", *tiny_models.work(), batch=1, instances=2)
    settings = TritonSettings(repository=(repository,), log=tmp_path / "log", longest_run_s=3.0)
    with (
        EmbeddedTriton.start(settings, lambda _: None) as triton,
        tritonclient.grpc.InferenceServerClient(triton.grpc_address) as client,
    ):
        for _ in range(20):  # some on each of the two
            client.infer("work", [rounds(10)])
            assert not hung(triton)
        client.async_infer("work", [rounds(FOR_HOURS)], callback=lambda **_: None)
        ends = time.monotonic() + 60
        while not (said := hung(triton)) and time.monotonic() < ends:
            time.sleep(0.2)
        assert "the process that served the model work has hung in one request for" in said
        instances = model_instances(triton.pid)
        triton.stop(grace_s=1.0)
    assert len(instances) == 2
    left = [state for pid in instances if (state := process_state(pid)) is not None]
    assert all(state.letter in {"Z", "X"} for state in left)  # to be reaped by the system


def rounds(count: int) -> tritonclient.grpc.InferInput:
    tensor = tritonclient.grpc.InferInput("rounds", [1, 1], "INT64")
    tensor.set_data_from_numpy(np.array([[count]], np.int64))
    return tensor
