"""Whose turn it is: of each pane's requests, only the latest is still wanted."""

import collections
import threading
import time
from collections.abc import Callable

MOST_ASKERS = 1000


class Superseded(Exception):
    """Something newer was asked for meanwhile."""


class Turns:
    """The latest request of each asker, and when the last one of all came."""

    def __init__(self) -> None:
        self._latest: collections.OrderedDict[str, int] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._last = 0.0

    def take(self, asker: str, number: int) -> Callable[[], None]:
        """Note a request, and return what raises `Superseded` once a newer one has come.

        Requests of the same number, such as a heart's first frame and its beat, go together.
        """
        with self._lock:
            self._latest[asker] = max(number, self._latest.get(asker, number))
            self._latest.move_to_end(asker)
            while len(self._latest) > MOST_ASKERS:
                self._latest.popitem(last=False)
            self._last = time.monotonic()

        def insist() -> None:
            if self._latest.get(asker, number) > number:
                raise Superseded

        return insist

    def give_way(self, quiet_s: float = 0.3, most_s: float = 3.0) -> None:
        """Wait until nobody has asked for a moment, but not for ever: for work that can wait."""
        began = time.monotonic()
        while True:
            now = time.monotonic()
            if now - self._last >= quiet_s or now - began >= most_s:
                return
            time.sleep(0.05)
