"""The backend named onnxruntime, through a real tritonserver."""

from __future__ import annotations

import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from services.local.triton import EmbeddedTriton
from services.local.triton.processes import model_instances

pytestmark = pytest.mark.live


def tensor(name: str, values: object, dtype: type = np.float32) -> tritonclient.grpc.InferInput:
    array = np.asarray(values, dtype=dtype)
    kind = {np.float32: "FP32", np.int64: "INT64", np.float64: "FP64"}[dtype]
    made = tritonclient.grpc.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array)
    return made


def in_parallel(client, model: str, inputs: list) -> list:
    """The answers, or the exceptions, of requests that are sent at the same time."""
    barrier = threading.Barrier(len(inputs))

    def one(value):
        barrier.wait()
        try:
            return client.infer(model, [value])
        except InferenceServerException as error:
            return error

    with ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(one, inputs))


def test_answers_with_the_values_onnxruntime_computes(client):
    answer = client.infer("arithmetic", [tensor("x", [[1, 2, 3, 4], [5, 6, 7, 8]])])
    np.testing.assert_array_equal(answer.as_numpy("double"), [[2, 4, 6, 8], [10, 12, 14, 16]])
    np.testing.assert_array_equal(answer.as_numpy("total"), [[10], [26]])


def test_int8_sums_are_not_clipped_on_a_processor_without_vnni(client):
    """Half of the eight would be lost where pairs of products are added in 16 bits."""
    answer = client.infer("quantized", [tensor("x", np.ones((1, 8, 1, 1)))])
    assert answer.as_numpy("sum").item() == pytest.approx(8, abs=0.05)


def test_gives_only_the_outputs_that_were_asked_for(client):
    wanted = [tritonclient.grpc.InferRequestedOutput("total")]
    answer = client.infer("arithmetic", [tensor("x", [[1, 2, 3, 4]])], outputs=wanted)
    assert answer.as_numpy("double") is None
    np.testing.assert_array_equal(answer.as_numpy("total"), [[10]])


def test_requests_sent_together_are_computed_as_one_batch_and_each_gets_its_own_rows(client):
    answers = in_parallel(client, "together", [tensor("x", [[row, 0, 0, 0]]) for row in range(4)])
    assert [answer.as_numpy("batch").item() for answer in answers] == [4, 4, 4, 4]
    assert [answer.as_numpy("total").item() for answer in answers] == [0, 1, 2, 3]


def test_one_bad_request_does_not_fail_its_batch_mates(client):
    answers = in_parallel(client, "lookup", [tensor("index", [[row]], np.int64) for row in (1, 2, 4711, 3)])
    assert [answers[at].as_numpy("value").item() for at in (0, 1, 3)] == [10, 20, 30]
    assert isinstance(answers[2], InferenceServerException)


def test_an_error_while_computing_does_not_repeat_the_input(client, triton: EmbeddedTriton):
    with pytest.raises(InferenceServerException) as caught:
        client.infer("lookup", [tensor("index", [[47114711]], np.int64)])
    assert "onnxruntime could not compute this request" in caught.value.message()
    assert "47114711" not in str(caught.value)
    assert triton.child.log is not None
    assert "47114711" not in triton.child.log.read_text()


def test_lengths_that_vary_are_served(client):
    for length in (1, 3, 7):
        answer = client.infer("lookup", [tensor("index", [list(range(length))], np.int64)])
        np.testing.assert_array_equal(answer.as_numpy("value"), [[10.0 * row for row in range(length)]])


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param([tensor("x", [[1, 2, 3]])], id="a dimension too short"),
        pytest.param([tensor("x", [1, 2, 3, 4])], id="no batch axis"),
        pytest.param([tensor("x", [[1, 2, 3, 4]], np.float64)], id="another type"),
        pytest.param([tensor("y", [[1, 2, 3, 4]])], id="an unknown input"),
        pytest.param([tensor("x", np.ones((9, 4)))], id="more rows than max_batch_size"),
    ],
)
def test_input_that_does_not_fit_is_refused_and_the_server_goes_on(client, inputs):
    with pytest.raises(InferenceServerException):
        client.infer("arithmetic", inputs)
    assert client.infer("arithmetic", [tensor("x", [[1, 1, 1, 1]])]).as_numpy("total").item() == 4


def test_an_unknown_output_is_refused(client):
    with pytest.raises(InferenceServerException):
        client.infer(
            "arithmetic",
            [tensor("x", [[1, 1, 1, 1]])],
            outputs=[tritonclient.grpc.InferRequestedOutput("nothing")],
        )


def test_a_full_queue_refuses_at_once(client):
    """One is computed, two wait, the others are told so: the bound of config.pbtxt holds."""
    answers = in_parallel(client, "work", [tensor("rounds", [[100]], np.int64)] * 10)
    refused = [answer for answer in answers if isinstance(answer, InferenceServerException)]
    assert len(answers) - len(refused) >= 2
    assert refused
    assert all("Exceeds maximum queue size" in error.message() for error in refused)


def test_a_request_that_waits_too_long_is_rejected(client):
    answers = in_parallel(client, "hurried", [tensor("rounds", [[100]], np.int64)] * 3)
    refused = [answer for answer in answers if isinstance(answer, InferenceServerException)]
    assert refused
    assert all("Request timeout expired" in error.message() for error in refused)


def test_a_queue_with_a_policy_wakes_up_late(client):
    """What finds the instance busy is begun when that is free; in a queue with a bound, a timeout or levels
    often half a second later, where nothing else is asked meanwhile.
    """

    def waited_s(model: str) -> float:
        """Of the second call, after the first was answered."""
        ends, done = [], threading.Semaphore(0)

        def ended(**_: object) -> None:
            ends.append(time.monotonic())
            done.release()

        for rounds in (80, 1):
            client.async_infer(model, [tensor("rounds", [[rounds]], np.int64)], callback=ended)
            time.sleep(0.01)  # the first is at work
        assert all(done.acquire(timeout=20) for _ in range(2))
        return ends[1] - ends[0]

    late_s = next((waited for _ in range(20) if (waited := waited_s("work")) > 0.2), 0.0)
    assert late_s
    assert statistics.median(waited_s("prompt") for _ in range(3)) < late_s / 4


def test_a_request_that_is_cancelled_while_it_waits_is_never_computed(client):
    computed = executions(client, "work", 0)
    done = threading.Semaphore(0)

    def ask(rounds: int):
        return client.async_infer(
            "work", [tensor("rounds", [[rounds]], np.int64)], callback=lambda **_: done.release()
        )

    ask(100)
    ask(101).cancel()
    for _ in range(2):
        assert done.acquire(timeout=20)
    client.infer("work", [tensor("rounds", [[1]], np.int64)])
    assert executions(client, "work", computed + 2) == computed + 2


def executions(client, model: str, awaited: int) -> int:
    """How often a model has been computed so far; Triton counts an execution a moment after it has answered.

    So this reads until `awaited` is reached, and then until it has read the same fifty times in a row.
    """
    deadline, same, count = time.monotonic() + 10, 0, -1
    while time.monotonic() < deadline and (count < awaited or same < 50):
        before, count = count, client.get_inference_statistics(model).model_stats[0].execution_count
        same = same + 1 if count == before else 0
    return count


def test_each_instance_is_a_process_of_its_own(triton: EmbeddedTriton):
    assert len(instances_of(triton, "arithmetic")) == 2
    assert len(instances_of(triton, "work")) == 1


def instances_of(triton: EmbeddedTriton, model: str) -> list[int]:
    """Process ids of the backend's stubs that serve a model."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == triton.pid and words[0].endswith(b"stub") and f"/{model}/".encode() in words[1]:
            found.append(int(entry.name))
    return found


def test_models_give_way_to_the_server_that_hands_them_requests(triton):
    servers = os.getpriority(os.PRIO_PROCESS, triton.pid)
    assert servers == os.getpriority(os.PRIO_PROCESS, 0)
    instances = model_instances(triton.pid)
    assert instances
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in instances} == {min(servers + 5, 19)}
