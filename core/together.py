"""What several threads want done at the same moment, done by one of them for all.

Who finds nobody at it does its own at once. Who comes meanwhile waits, and the first of those then
does it for all of them. So nobody waits for more than the turn before its own, and under load a
round trip, a lock and a commit serve many.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Place(Generic[Item]):
    """A thread's place in the line. Once `turn` is set, it is either served or the one to serve."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn = threading.Event()
        self.is_served = self.is_done = False
        self.error: BaseException | None = None


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

        Raises what `do` raised, in each thread that it was done for.
        """
        place = _Place(item)
        if self._has_to_wait(group, place):
            place.turn.wait()
        if not place.is_served:
            self._serve(group, place)
        if place.error:
            raise place.error
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
        served = [place, *others]
        is_done, error = False, None
        try:
            is_done = self._do([one.item for one in served])
        except BaseException as raised:
            error = raised
        for one in served:
            one.is_served, one.is_done, one.error = True, is_done, error
        self._pass_on(group)
        for one in others:
            one.turn.set()

    def _pass_on(self, group: Hashable) -> None:
        with self._lock:
            line = self._lines[group]
            following = line.popleft() if line else None
            if following is None:
                del self._lines[group]
        if following:
            following.turn.set()
