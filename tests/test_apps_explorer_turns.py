import threading
import time

import pytest

from gancmri_jax.apps.explorer import turns as explorer_turns
from gancmri_jax.apps.explorer.turns import Superseded, Turns


def test_only_the_latest_of_an_asker_is_wanted():
    turns = Turns()
    first, other = turns.take("a", 1), turns.take("b", 1)
    first()
    again = turns.take("a", 1)  # a beat after its first frame
    second = turns.take("a", 2)
    with pytest.raises(Superseded):
        first()
    with pytest.raises(Superseded):
        again()
    second()
    other()
    late = turns.take("a", 1)  # overtaken on its way here
    with pytest.raises(Superseded):
        late()


def test_what_is_remembered_of_askers_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(explorer_turns, "MOST_ASKERS", 2)
    turns = Turns()
    first = turns.take("a", 1)
    turns.take("a", 2)
    turns.take("b", 1)
    with pytest.raises(Superseded):
        first()
    turns.take("c", 1)
    first()  # forgotten: rather rendered once too often than never


def test_work_that_can_wait_waits_until_nobody_asks_but_not_for_ever():
    turns = Turns()
    turns.give_way(quiet_s=10)  # nobody ever asked
    stop = threading.Event()

    def keep_asking():
        number = 0
        while not stop.wait(0.01):
            number += 1
            turns.take("a", number)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    time.sleep(0.05)
    began = time.monotonic()
    turns.give_way(quiet_s=5, most_s=0.2)
    waited = time.monotonic() - began
    stop.set()
    thread.join()
    assert 0.2 <= waited
