"""Why `medmesh` is installed from its checkout only, said where somebody builds a wheel of it."""

from __future__ import annotations

from setuptools.command.bdist_wheel import bdist_wheel


class FromCheckoutOnly(bdist_wheel):  # type: ignore[misc]  # setuptools comes without types
    """Ends a build of a wheel; an editable installation makes none."""

    def run(self) -> None:
        """Raises SystemExit with the remedy."""
        raise SystemExit(
            "medmesh runs from its checkout, beside its models and contracts: `pip install -e .` there, or "
            "`make venv`. What calls it needs `pip install ./clients/python` alone."
        )
