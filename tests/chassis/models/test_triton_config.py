"""What a model's configuration says of how much of it is worth asking ahead."""

from __future__ import annotations

import pytest

from services.chassis.models.triton_config import read_configuration
from services.chassis.models.turns import Ahead

CPU, GPU = "kind: KIND_CPU", "kind: KIND_GPU"
FOUR = "max_batch_size: 4 dynamic_batching { }"
PREFERRED = "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 2, 4 ] }"
NONE = "max_batch_size: 1 dynamic_batching { }"


@pytest.mark.parametrize(
    ("batches", "instances", "usual", "sparing"),
    [
        (FOUR, f"count: 2 {CPU}", Ahead(3, 3), Ahead(2, 1)),
        (FOUR, CPU, Ahead(2, 2), Ahead(1, 1)),
        (PREFERRED, CPU, Ahead(2, 2), Ahead(1, 1)),
        ("max_batch_size: 4", f"count: 2 {CPU}", Ahead(2, 1), Ahead(2, 1)),
        (NONE, CPU, Ahead(1, 1), Ahead(1, 1)),
        (FOUR, f"count: 2 gpus: [ 0, 1 ] {GPU}", Ahead(8, 4), Ahead(8, 4)),
        (FOUR, "", Ahead(2, 4), Ahead(2, 4)),
    ],
)
def test_what_keeps_the_instances_busy(batches, instances, usual, sparing):
    found = read_configuration(f"{batches} instance_group [ {{ {instances} }} ]")
    assert (found.ahead, found.ahead_sparing) == (usual, sparing)
