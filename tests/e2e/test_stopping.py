"""SIGTERM: what was accepted is answered, what is under way is left to the next start."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.product import Demo, Process, Product, wait_until
from tests.e2e.switchboard import Switchboard


def test_request_in_flight_is_answered(product: Product, demo: Demo) -> None:
    web = product.processes[0]
    with ThreadPoolExecutor(1) as threads:
        with product.writes_blocked():
            order = threads.submit(demo.order, "+14155550123")
            time.sleep(1)  # it is waiting for the database now
            web.ask_to_stop()
            time.sleep(1)
            assert web.is_running
        answer = order.result(timeout=30)

    assert answer.status_code == 201
    assert web.exit_code(seconds=15) == 0


def test_calls_under_way_are_finished_by_the_next_start(
    product: Product, switchboard: Switchboard, recorded: Demo
) -> None:
    slow, ringing = "+14155552500", "+14155552501"
    switchboard.slow[slow] = 3
    switchboard.stories[ringing] = [(0.0, "ringing")]
    ids = [recorded.place(number, key="live", ringTimeout=5) for number in (slow, ringing)]
    recorded.wait_for(ids[1], "ringing")
    wait_until(lambda: slow in switchboard.numbers, what="the carrier is being asked")

    _stop_well(product.worker)

    switchboard.tell(ringing, "no_answer")
    product.restart_worker()
    ended = recorded.wait_for_end(ids)
    assert [ended[call_id]["status"] for call_id in ids] == ["completed", "no_answer"]
    assert sorted(switchboard.numbers) == [slow, ringing]


def test_idle_processes_stop_at_once(product: Product, demo: Demo) -> None:
    for process in list(product.processes):
        _stop_well(process)


def _stop_well(process: Process) -> None:
    process.ask_to_stop()
    assert (process.name, process.exit_code(seconds=10)) == (process.name, 0)
