"""What several threads want done at the same moment, done by one of them for all.

Who finds nobody at it does its own at once. Who comes meanwhile waits, and the first of those then
does it for as many of them as may be. So under load a round trip, a lock and a commit serve many.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Place(Generic[Item]):
    """A thread's place in the line. Once its turn has come, it is served or the one to serve."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_served = self.is_done = False
        # Only one waits here, and once: a lock takes a tenth of the time of an Event.
        self._turn = threading.Lock()
        self._turn.acquire()

    def wait(self) -> None:
        self._turn.acquire()

    def call(self) -> None:
        """Its turn has come."""
        self._turn.release()


class Together(Generic[Item]):
    def __init__(self, do: Callable[[Sequence[Item]], bool], *, most: int) -> None:
        """`do` does at most `most` items at once, all or none, and says whether it did."""
        self._do = do
        self._most = most
        self._lock = threading.Lock()
        # A group has a line while somebody is at it.
        self._lines: dict[Hashable, deque[_Place[Item]]] = {}

    def run(self, group: Hashable, item: Item) -> bool:
        """Do `item` with those of the same group that wait; whether it was done.

        What `do` raises, the thread that called it raises; for the others it was not done.
        """
        place = _Place(item)
        if self._has_to_wait(group, place):
            place.wait()
        if not place.is_served:
            self._serve(group, place)
        return place.is_done

    def _has_to_wait(self, group: Hashable, place: _Place[Item]) -> bool:
        with self._lock:
            line = self._lines.get(group)
            if line is None:
                self._lines[group] = deque()
                return False
            line.append(place)
            return True

    def _serve(self, group: Hashable, place: _Place[Item]) -> None:
        with self._lock:
            line = self._lines[group]
            others = [line.popleft() for _ in range(min(len(line), self._most - 1))]
        try:
            place.is_done = self._do([place.item, *(one.item for one in others)])
        finally:
            for one in others:
                one.is_served, one.is_done = True, place.is_done
                one.call()
            self._pass_on(group)

    def _pass_on(self, group: Hashable) -> None:
        with self._lock:
            line = self._lines[group]
            following = line.popleft() if line else None
            if following is None:
                del self._lines[group]
        if following:
            following.call()
