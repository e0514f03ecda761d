"""How much of a service each tenant may use, as the part `[tenants]` of the policy says.

    [tenants.radiology]
    requests_per_minute = 600       # in bursts of at most a tenth of it, and of at least one
    request_bytes_per_minute = 500_000_000  # of all messages that it sends; bursts as above
    in_flight = 8                   # requests at the same time
    models = ["image_gate", "chest_*"]      # names or patterns; no other model computes anything for it

What is not given is unbounded. A request beyond it is refused as QUOTA_EXCEEDED with the time after which
the next one will be taken, and which quota it was. Each process counts for itself.

How many bytes a request brings is known when they have come. It is taken while some are left, and what it
brings beyond has to pass before the next one; a message that comes when a whole minute's worth is owed is
refused, be it in the middle of a stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import QuotaExceeded

_REQUESTS, _BYTES, _IN_FLIGHT = "requests_per_minute", "request_bytes_per_minute", "in_flight"
_BURST_SHARE = 0.1
_IN_FLIGHT_RETRY_S = 1.0


@dataclass(frozen=True)
class Quota:
    """Of one tenant; None: unbounded."""

    requests_per_minute: float | None = None
    request_bytes_per_minute: float | None = None
    in_flight: int | None = None
    models: tuple[str, ...] | None = None
    """Patterns of the names of the models that may compute for it."""

    @classmethod
    def read(cls, name: str, table: Any) -> Quota:
        """From a table of the policy. Raises ValueError in a sentence that names its key."""
        if not isinstance(table, dict):
            raise ValueError(f"tenants.{name} must be a table")  # noqa: TRY004 - of the file, not of a call
        if unknown := set(table) - {_REQUESTS, _BYTES, _IN_FLIGHT, "models"}:
            raise ValueError(f"tenants.{name} has unknown keys: {', '.join(sorted(unknown))}")
        bounds = {key: table.get(key) for key in (_REQUESTS, _BYTES, _IN_FLIGHT)}
        for key, value in bounds.items():
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"tenants.{name}.{key} must be a whole number of at least 1")
        models = table.get("models")
        if models is not None and not (
            isinstance(models, list) and all(isinstance(pattern, str) for pattern in models)
        ):
            raise ValueError(f"tenants.{name}.models must be a list of names or patterns")
        return cls(**bounds, models=None if models is None else tuple(models))


class _Bucket:
    """What may be taken now of something that comes back at a steady rate; below nothing: what is owed."""

    def __init__(self, name: str, unit: float) -> None:
        """`name`: of the quota; `unit`: the least that has to be there for the next request."""
        self._name = name
        self._unit = unit
        self._held: float | None = None
        self._filled_at = 0.0

    def fill(self, per_minute: float | None, now: float, credit: float = 0.0) -> None:
        """Fills it up to `now`; None: it is not counted. Raises QuotaExceeded where too little is there, and
        not as much as `credit` may be owed.
        """
        if per_minute is None:
            self._held = None
            return
        most, per_s = max(self._unit, per_minute * _BURST_SHARE), per_minute / 60.0
        held = most if self._held is None else min(most, self._held + (now - self._filled_at) * per_s)
        self._filled_at, self._held = now, held
        if held + credit < self._unit:
            raise QuotaExceeded(metadata={"quota": self._name}, retry_after_s=(self._unit - held) / per_s)

    def take(self, count: float) -> None:
        """Takes so much, whether it is there or not."""
        if self._held is not None:
            self._held -= count


class _Use:
    """What one tenant uses now: requests and bytes that come back with time, and requests under way."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests = _Bucket(_REQUESTS, 1.0)
        self.bytes = _Bucket(_BYTES, 1.0)


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
        use.requests.take(1.0)
        use.in_flight += 1
        try:
            yield
        finally:
            use.in_flight -= 1

    def take_bytes(self, tenant: str, count: int) -> None:
        """Counts the bytes of a message of a request that was taken. Raises QuotaExceeded where what came
        before it was too much by a minute's worth.
        """
        quota, use = self._quotas.get(tenant), self._uses.get(tenant)
        if quota is None or use is None:
            return
        rate = quota.request_bytes_per_minute
        use.bytes.fill(rate, self._clock(), credit=rate or 0.0)
        use.bytes.take(count)

    def check(self, tenant: str) -> None:
        """Raises QuotaExceeded where `taking` would; counts nothing."""
        self._checked(tenant)

    def _checked(self, tenant: str) -> _Use | None:
        quota = self._quotas.get(tenant)
        if quota is None:
            return None
        use = self._uses.setdefault(tenant, _Use())
        if quota.in_flight is not None and use.in_flight >= quota.in_flight:
            raise QuotaExceeded(metadata={"quota": _IN_FLIGHT}, retry_after_s=_IN_FLIGHT_RETRY_S)
        now = self._clock()
        use.requests.fill(quota.requests_per_minute, now)
        use.bytes.fill(quota.request_bytes_per_minute, now)
        return use
