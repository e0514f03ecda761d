"""ONNX Runtime is asked for the longer way to exact sums only where the processor clips them."""

from __future__ import annotations

import pytest

from services.local.triton.backends import int8_sums

LISTED = "processor\t: 0\nflags\t\t: fpu {}\nbugs\t\t: none\n\nprocessor\t: 1\nflags\t\t: fpu {}\n"


@pytest.mark.parametrize(
    ("flags", "exact"),
    [
        ("avx2 fma", False),
        ("avx2 avx512f avx512bw", False),
        ("avx2 avx512f avx512_vnni", True),
        ("avx2 avx_vnni", True),
        ("avx2 avx512_vnnix", False),
    ],
)
def test_sums_are_exact_with_vnni(tmp_path, monkeypatch, flags, exact):
    listed = tmp_path / "cpuinfo"
    listed.write_text(LISTED.format(flags, flags), encoding="utf-8")
    monkeypatch.setattr(int8_sums, "_PROCESSORS", listed)
    assert int8_sums.are_exact() is exact


def test_a_processor_without_flags_is_not_trusted(tmp_path, monkeypatch):
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nFeatures\t: asimd\n", encoding="utf-8")
    monkeypatch.setattr(int8_sums, "_PROCESSORS", listed)
    assert not int8_sums.are_exact()
