"""Token buckets: fair, patient, and small whoever knocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.api.limiter import Limiter, address


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limiter = Limiter(60, clock=clock)
    assert [limiter.take("a") for _ in range(60)] == [0.0] * 60
    wait = limiter.take("a")
    assert 0 < wait <= 1
    assert limiter.take("b") == 0
    clock.now += wait
    assert limiter.take("a") == 0
    assert limiter.take("a") > 0


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 500)), max_size=60), st.integers(1, 120))
def test_whoever_waits_as_long_as_told_is_let_through(asked: list[tuple[float, float]], per_minute: int) -> None:
    clock = Clock()
    limiter = Limiter(per_minute, clock=clock)
    for pause, cost in asked:
        clock.now += pause
        wait = limiter.take("a", cost)
        if wait:
            clock.now += wait + 1e-6
            assert limiter.take("a", cost) == 0


@given(st.lists(st.floats(0, 10), max_size=200), st.integers(1, 60))
def test_never_more_than_the_rate_and_one_burst(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    limiter = Limiter(per_minute, clock=clock)
    through = 0
    for pause in pauses:
        clock.now += pause
        through += limiter.take("a") == 0
    assert through <= per_minute + sum(pauses) * per_minute / 60 + 1


def test_a_clock_that_jumps_back_takes_nothing_away() -> None:
    clock = Clock()
    limiter = Limiter(60, clock=clock)
    limiter.take("a")
    clock.now -= 500
    assert limiter.take("a") == 0


def test_a_thousand_clients_and_a_hundred_thousand_addresses_fit() -> None:
    limiter = Limiter(60, held=1000)
    for number in range(100_000):
        limiter.take(str(number))
    assert len(limiter) == 1000
    for _ in range(60):
        limiter.take("99999")
    assert limiter.take("99999") > 0, "those who keep asking are not forgotten for those who came once"


def test_one_connection_is_one_address() -> None:
    assert address("2001:db8:1:2:3:4:5:6") == address("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert address("2001:db8:1:3::1") != address("2001:db8:1:2::1")
    assert address("::ffff:192.0.2.1") == address("192.0.2.1") == "192.0.2.1"
    assert address("fe80::1%eth0") == "fe80::/64"
    assert address("testclient") == "testclient"
