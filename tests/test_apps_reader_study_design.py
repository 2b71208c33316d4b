import numpy as np
import pytest

from gancmri_jax.apps.reader_study.design import avoid_same_heart, schedule, spread_frames
from gancmri_jax.errors import InputError


def screens(seed, items=100, repeats=10, shown=4):
    return schedule(items, repeats, shown, np.random.default_rng(seed))


def test_all_items_once_and_some_again():
    found = screens(0)
    first = [s.item for s in found if not s.repeat]
    again = [s.item for s in found if s.repeat]
    assert sorted(first) == list(range(100)) and len(set(again)) == 10
    assert all(sorted(s.order) == [0, 1, 2, 3] for s in found)


@pytest.mark.parametrize("repeats, between", [(10, 10), (95, 5), (100, 0)])
def test_a_repeat_comes_after_its_item_with_others_between(repeats, between):
    for seed in range(20):
        found = screens(seed, repeats=repeats)
        at = {(s.item, s.repeat): i for i, s in enumerate(found)}
        gaps = [at[item, True] - at[item, False] - 1 for item, repeat in at if repeat]
        assert len(gaps) == repeats and min(gaps) >= between


def test_each_reader_has_an_order_of_his_own_and_always_the_same():
    assert screens(1) == screens(1) != screens(2)


def test_the_real_one_stands_anywhere():
    """300 readers: each place of 4 holds it about a quarter of the time, 5 σ of 33,000 is 0.012."""
    places = [s.order.index(0) for seed in range(300) for s in screens(seed)]
    assert np.bincount(places) / len(places) == pytest.approx(0.25, abs=0.012)


def test_what_was_shown_does_not_tell_what_comes():
    sides = np.array([[s.order[0] for s in screens(seed, shown=2)] for seed in range(300)])
    agreement = (sides[:, 1:] == sides[:, :-1]).mean()
    assert agreement == pytest.approx(0.5, abs=0.014)


def test_more_repeats_than_items_are_refused():
    with pytest.raises(InputError, match="--repeats 3 is more than the 2 items"):
        screens(0, items=2, repeats=3)


def test_no_heart_stands_beside_itself():
    drawn = set()
    for seed in range(30):
        order = avoid_same_heart(np.eye(4, 5, dtype=bool), np.random.default_rng(seed))
        assert len(set(order)) == 4 and all(i != column for i, column in enumerate(order))
        drawn.add(tuple(order))
    assert len(drawn) > 10


def test_a_heart_that_can_only_stand_beside_itself_is_refused():
    with pytest.raises(InputError, match="the very heart"):
        avoid_same_heart(np.ones((1, 2), bool), np.random.default_rng(0))


def test_frames_come_from_all_cines_and_never_twice():
    drawn = spread_frames([5, 5, 2], 12, np.random.default_rng(0))
    assert len(set(drawn)) == 12
    drawn = spread_frames([50] * 7, 7, np.random.default_rng(0))
    assert {cine for cine, _ in drawn} == set(range(7))
    assert len({frame for _, frame in drawn}) > 2
    with pytest.raises(InputError, match="holds 3 frames, and 4"):
        spread_frames([2, 1], 4, np.random.default_rng(0))
