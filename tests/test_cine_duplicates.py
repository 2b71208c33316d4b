import numpy as np

from gancmri_jax.cine.duplicates import find_duplicates, one_heart


def vectors(*angles):
    """Unit vectors whose products are cosines of the angles between them."""
    return np.stack([[[np.cos(a), np.sin(a)]] * 2 for a in angles]).astype(np.float32)


def test_equal_and_alike_pairs_are_told_apart():
    likenesses = vectors(0, 1, 0, 0.1, 2)
    equal, alike = find_duplicates(["a", "b", "a", "c", "d"], likenesses)
    assert equal == [(0, 2)] and alike == [(0, 3), (2, 3)]  # cos 0.1 = 0.995


def test_both_look_and_motion_must_agree():
    likenesses = vectors(0, 0)
    likenesses[1, 1] = [0, 1]
    assert find_duplicates(["a", "b"], likenesses) == ([], [])


def test_blocks_make_no_difference(monkeypatch):
    rng = np.random.default_rng(0)
    likenesses = vectors(*rng.uniform(0, 6, 20))
    hashes = [str(i) for i in range(20)]
    whole = find_duplicates(hashes, likenesses)
    monkeypatch.setattr("gancmri_jax.cine.duplicates.BLOCK", 3)
    assert find_duplicates(hashes, likenesses) == whole and whole[1]


def test_chains_of_pairs_are_one_heart():
    hearts = one_heart("abcdef", [("c", "b"), ("d", "c"), ("f", "e")])
    assert hearts == {"a": "a", "b": "b", "c": "b", "d": "b", "e": "e", "f": "e"}
