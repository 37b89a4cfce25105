"""Places for endpoints that fail or are slow, and turns for deliveries that found none."""

from jobs.webhook_delivery.places import HELD_BACK, Places


def test_an_endpoint_has_one_place_and_all_of_them_two() -> None:
    places = Places()
    assert [places.take(each) for each in ("a", "a", "b", "c")] == [True, False, True, False]
    places.leave("a")
    assert places.take("c")
    assert HELD_BACK == 2


def test_few_that_wait_come_back_soon_and_not_together() -> None:
    chances = iter((0.0, 0.5, 1.0))
    places = Places(lambda: next(chances), lambda: 7.0)
    assert [places.wait_seconds() for _ in range(3)] == [5.0, 17.5, 30.0]


def test_however_many_wait_twenty_a_second_come_back() -> None:
    places = Places(lambda: 0.0, lambda: 7.0)
    waits = sorted(places.wait_seconds() for _ in range(10_000))
    for second in range(6, 500):
        assert sum(second <= wait < second + 1 for wait in waits) <= 21, second
    assert 495 < waits[-1] < 505


def test_turns_that_nobody_took_are_not_kept() -> None:
    now = 0.0
    places = Places(lambda: 0.0, lambda: now)
    for _ in range(1_000):
        places.wait_seconds()
    now = 60.0
    assert places.wait_seconds() == 5.0


def test_no_delivery_waits_longer_than_an_hour() -> None:
    places = Places(lambda: 0.0, lambda: 0.0)
    assert max(places.wait_seconds() for _ in range(100_000)) == 3600.0
