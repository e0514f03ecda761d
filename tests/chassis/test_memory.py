"""What a large message took goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
from services.chassis.memory import give_back, reuse_large_blocks
assert reuse_large_blocks()

def resident_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

# As messages do: large blocks, and small ones that outlive them in between.
kept, before = [], resident_mib()
for _ in range(6):
    large = [bytearray(9 * 2**20) for _ in range(4)]
    kept.append([bytes(2000) for _ in range(200)])
    del large
kept_back = resident_mib() - before
give_back()
print(kept_back)
print(resident_mib() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_large_blocks_are_kept_for_the_next_message_and_then_given_back():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    kept, left = map(float, ran.stdout.split())
    assert kept > 27  # four blocks of 9 MiB, of which one may have been given back at the heap's end
    assert left < 9
