"""A seed is a plan: what goes wrong, who is called, and how the carrier takes it."""

from itertools import islice

from tests.faults.conduct import ENDS, conduct_of
from tests.faults.load import Customer, wishes
from tests.faults.plan import lanes, plan

CUSTOMERS = [Customer("a", "live", "test", ("agent_1", "agent_2"))]


def test_a_seed_repeats_the_plan_and_another_one_does_not() -> None:
    first, again, other = (plan(seed=seed, seconds=1800, kills=200) for seed in (1, 1, 2))

    assert first == again != other
    assert sum(fault.what == "kill -9" for fault in first) == 200
    assert {fault.whom for fault in first} == {
        *("web", "worker", "worker-2", "beat", "redis", "postgres"),
        *("database", "carrier", "receivers"),
    }
    assert all(0 <= fault.at < 1800 for fault in first)
    assert {"web", "services", "wires", "moods"} <= lanes(first).keys()


def test_a_seed_repeats_the_calls_and_each_has_a_number_of_its_own() -> None:
    first, again = (list(islice(wishes(CUSTOMERS, seed=1), 20_000)) for _ in range(2))

    assert first == again
    assert len({wish.number for wish in first}) == 20_000


def test_a_seed_repeats_how_the_carrier_treats_a_number() -> None:
    numbers = [f"+1212555{n}" for n in range(1000, 2000)]
    first, again = ([conduct_of(n, nth=0, seed=1, is_quick=False) for n in numbers] for _ in "ab")

    assert first == again
    assert {conduct.story[-1][1] for conduct in first} == set(ENDS)
    assert conduct_of(numbers[0], nth=0, seed=1, is_quick=False) != conduct_of(
        numbers[0], nth=1, seed=1, is_quick=False
    )
