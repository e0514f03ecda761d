"""How much of a service each tenant may use, as the part `[tenants]` of the policy says.

    [tenants.radiology]
    requests_per_minute = 600       # in bursts of at most a tenth of it, and of at least one
    in_flight = 8                   # requests at the same time
    models = ["image_gate", "chest_*"]      # names or patterns; no other model computes anything for it

What is not given is unbounded. A request beyond it is refused as QUOTA_EXCEEDED with the time after which
the next one will be taken. Each process counts for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import QuotaExceeded

_BURST_SHARE = 0.1
_IN_FLIGHT_RETRY_S = 1.0


@dataclass(frozen=True)
class Quota:
    """Of one tenant; None: unbounded."""

    requests_per_minute: float | None = None
    in_flight: int | None = None
    models: tuple[str, ...] | None = None
    """Patterns of the names of the models that may compute for it."""

    @classmethod
    def read(cls, name: str, table: Any) -> Quota:
        """From a table of the policy. Raises ValueError in a sentence that names its key."""
        if not isinstance(table, dict):
            raise ValueError(f"tenants.{name} must be a table")  # noqa: TRY004 - of the file, not of a call
        if unknown := set(table) - {"requests_per_minute", "in_flight", "models"}:
            raise ValueError(f"tenants.{name} has unknown keys: {', '.join(sorted(unknown))}")
        rate, places = table.get("requests_per_minute"), table.get("in_flight")
        for key, value in (("requests_per_minute", rate), ("in_flight", places)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"tenants.{name}.{key} must be a whole number of at least 1")
        models = table.get("models")
        if models is not None and not (
            isinstance(models, list) and all(isinstance(pattern, str) for pattern in models)
        ):
            raise ValueError(f"tenants.{name}.models must be a list of names or patterns")
        return cls(rate, places, None if models is None else tuple(models))


class _Use:
    """What one tenant uses now: a bucket of requests that fills with time, and those under way."""

    def __init__(self, now: float) -> None:
        self.in_flight = 0
        self.tokens: float | None = None
        self.filled_at = now


class Quotas:
    """Counts; of one process and one event loop. What runs keeps counting when the quotas change."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quotas: Mapping[str, Quota] = {}
        self._uses: dict[str, _Use] = {}

    def set(self, quotas: Mapping[str, Quota]) -> None:
        """Takes other quotas from here on."""
        self._quotas = quotas

    def models(self, tenant: str) -> tuple[str, ...] | None:
        """Patterns of the models that may compute for `tenant`; None: all."""
        quota = self._quotas.get(tenant)
        return quota.models if quota is not None else None

    @contextmanager
    def taking(self, tenant: str) -> Iterator[None]:
        """Counts one request of `tenant` within the block. Raises QuotaExceeded."""
        use = self._checked(tenant)
        if use is None:
            yield
            return
        if use.tokens is not None:
            use.tokens -= 1.0
        use.in_flight += 1
        try:
            yield
        finally:
            use.in_flight -= 1

    def check(self, tenant: str) -> None:
        """Raises QuotaExceeded where `taking` would; counts nothing."""
        self._checked(tenant)

    def _checked(self, tenant: str) -> _Use | None:
        quota = self._quotas.get(tenant)
        if quota is None:
            return None
        now = self._clock()
        use = self._uses.setdefault(tenant, _Use(now))
        if quota.in_flight is not None and use.in_flight >= quota.in_flight:
            raise QuotaExceeded(retry_after_s=_IN_FLIGHT_RETRY_S)
        if quota.requests_per_minute is None:
            use.tokens = None
        else:
            _fill(use, quota.requests_per_minute, now)
        return use


def _fill(use: _Use, per_minute: float, now: float) -> None:
    """Fills the bucket up to `now`. Raises QuotaExceeded where it holds no request."""
    most = max(1.0, per_minute * _BURST_SHARE)
    per_s = per_minute / 60.0
    held = most if use.tokens is None else min(most, use.tokens + (now - use.filled_at) * per_s)
    use.filled_at, use.tokens = now, held
    if held < 1.0:
        raise QuotaExceeded(retry_after_s=(1.0 - held) / per_s)
