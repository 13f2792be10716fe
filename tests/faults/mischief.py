"""Carries a plan out: each lane of faults has a thread, and what a fault did is undone after it."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.faults.plan import Fault, lanes
from tests.faults.rig import Rig

WATCH_SECONDS = 0.5


@dataclass
class Mischief:
    rig: Rig
    done: Counter[str] = field(default_factory=Counter)
    # Faults that could not be done or undone.
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    def run(self, faults: Sequence[Fault], *, meanwhile: Callable[[], object]) -> None:
        """Do all of it, with `meanwhile` running beside, and come back when both are over."""
        begins = time.monotonic()
        watch = threading.Thread(target=self._watch, daemon=True)
        threads = [
            threading.Thread(target=self._lane, args=(lane, begins), daemon=True)
            for lane in lanes(faults).values()
        ]
        for thread in (watch, *threads):
            thread.start()
        try:
            meanwhile()
            for thread in threads:
                thread.join()
        finally:
            self._is_over.set()  # an interrupted run breaks nothing more
        watch.join()

    def _watch(self) -> None:
        while not self._is_over.wait(WATCH_SECONDS):
            self.rig.start_again_what_fell()

    def _lane(self, faults: Iterable[Fault], begins: float) -> None:
        for fault in faults:
            if self._is_over.wait(max(begins + fault.at - time.monotonic(), 0)):
                return
            try:
                DOES[fault.lane if fault.lane in DOES else "processes"](self.rig, fault)
            except Exception as error:
                self.failed.append(f"{fault}: {error!r}")
            else:
                with self._lock:
                    self.done[f"{fault.what}: {fault.whom}"] += 1


def _process(rig: Rig, fault: Fault) -> None:
    if fault.what == "freeze":
        rig.processes[fault.whom].send(signal.SIGSTOP)
        time.sleep(fault.lasts)
        rig.processes[fault.whom].send(signal.SIGCONT)
        return
    rig.kill(fault.whom)
    time.sleep(fault.lasts)
    rig.start(fault.whom)


def _service(rig: Rig, fault: Fault) -> None:
    if fault.what == "flush":
        rig.redis.flush()
    elif fault.whom == "redis":
        rig.redis.kill()
        time.sleep(fault.lasts)
        rig.redis.start()
    else:
        rig.postgres.stop(fault.what.removeprefix("restart "))
        time.sleep(fault.lasts)
        rig.postgres.start()


def _wire(rig: Rig, fault: Fault) -> None:
    wire = rig.wires[fault.whom]
    getattr(wire, fault.what)()
    time.sleep(fault.lasts)
    wire.heal()


def _mood(rig: Rig, fault: Fault) -> None:
    dice = random.Random(fault.at)
    moody = [one for one in rig.hearings if "moody" in one.listener.name]
    of: Sequence[object] = [rig.carrier] if fault.whom == "carrier" else dice.sample(moody, 2)
    for one in of:
        one.mood = fault.what  # type: ignore[attr-defined]
    time.sleep(fault.lasts)
    for one in of:
        one.mood = ""  # type: ignore[attr-defined]


DOES: dict[str, Callable[[Rig, Fault], None]] = {
    "processes": _process,
    "services": _service,
    "wires": _wire,
    "moods": _mood,
}
