from collections import Counter

from gancmri_jax.cine.split import split_subjects

NAMES = [f"s{i}" for i in range(100)]


def test_eighty_ten_ten():
    assert Counter(split_subjects(NAMES, 0).values()) == {"train": 80, "validation": 10, "test": 10}
    assert Counter(split_subjects(NAMES[:10], 0).values()) == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }


def test_fewer_than_ten_all_train():
    assert set(split_subjects(NAMES[:9], 0).values()) == {"train"}


def test_order_and_repeats_do_not_matter():
    assert split_subjects(NAMES[::-1] + NAMES, 1) == split_subjects(NAMES, 1)


def test_the_seed_does():
    assert split_subjects(NAMES, 1) != split_subjects(NAMES, 2)


def test_one_subject_more_moves_few():
    before, after = split_subjects(NAMES, 0), split_subjects([*NAMES, "new"], 0)
    assert sum(before[name] != after[name] for name in NAMES) <= 2
