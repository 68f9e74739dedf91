"""How often somebody may ask: token buckets, few enough to fit in memory whoever knocks."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from app.errors import RateLimited
from app.service.callers import LOCAL, Caller

MINUTE: Final = 60.0
HELD: Final = 10_000
"""Buckets kept. Beyond, the one used longest ago is forgotten, as if it were full again."""
WRONG_KEY_COSTS: Final = 100.0
"""Requests that a wrong key counts for."""


class Limiter:
    """``per_minute`` of each who asks, as fast as they like until that is used up. Thread safe."""

    def __init__(self, per_minute: int, held: int = HELD, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rate, self._held, self._clock = float(per_minute), per_minute / MINUTE, held, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str, cost: float = 1.0) -> float:
        """Seconds until ``who`` may ask again: 0 lets them through and takes ``cost``, at most all there is.

        What is refused costs nothing, so whoever waits as long as told is let through.
        """
        with self._lock:
            now = self._clock()
            left, since = self._buckets.pop(who, (self._most, now))
            left = min(self._most, left + max(0.0, now - since) * self._rate)
            wait = max(0.0, 1.0 - left) / self._rate
            self._buckets[who] = (left if wait else max(0.0, left - cost), now)
            while len(self._buckets) > self._held:
                self._buckets.popitem(last=False)
            return wait

    def __len__(self) -> int:
        return len(self._buckets)


class Limits:
    """How often a key may ask, and how often an address, whatever it carries."""

    def __init__(self, per_key: int, per_address: int) -> None:
        self.keys, self.addresses = Limiter(per_key), Limiter(per_address)

    def knock(self, client: str) -> None:
        """A request of any kind from this address. Raises ``RateLimited``."""
        _require(self.addresses.take(address(client)), "This address asks too often")

    def ask(self, caller: Caller) -> None:
        """A request with this key. Raises ``RateLimited``."""
        if caller is not LOCAL:
            _require(self.keys.take(caller.key_id), "The key is used too often")

    def wrong_key(self, request: Request) -> None:
        """Whoever tries keys is let try few."""
        self.addresses.take(address(client_of(request.scope)), WRONG_KEY_COSTS)


def limits_of(request: Request) -> Limits:
    """Those of the running service."""
    limits: Limits = request.app.state.limits
    return limits


def client_of(scope: Scope) -> str:
    """The address that asks, as far as we trust who says so (``FRONTALIS_TRUSTED_PROXIES``)."""
    client = scope.get("client")
    return client[0] if client else ""


def _require(wait: float, detail: str) -> None:
    if wait:
        raise RateLimited(f"{detail}; again in {wait:.1f} s", retry_after=math.ceil(wait))


def address(host: str) -> str:
    """Whom an address stands for: one of IPv4, and of IPv6 the 64 bits that one connection is given."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
