import dataclasses

import numpy as np
import pytest

from gancmri_jax.cine.records import Records, write_records
from gancmri_jax.cluster import parts
from gancmri_jax.cluster.client import ClusterError, WorkersDiedError
from gancmri_jax.errors import InputError
from gancmri_jax.projection import over_cluster
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.store import read_latents, read_noise, read_quality
from gancmri_jax.projection.study import project_study
from tests.dask_cluster import one_worker, wire
from tests.test_projection_study import make_cine
from tests.tiny import tiny_model

SETTINGS = Settings(num_steps=2)


@pytest.fixture(scope="module")
def scheduler():
    with one_worker() as address:
        yield address


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records") / "records"
    names = {"heart-a": 3, "heart-bb": 4, "heart-ccc": 2}
    write_records(folder, {"train": [make_cine(n, t, es_frame=1) for n, t in names.items()]})
    return Records(folder, "train")


@pytest.fixture(scope="module")
def alone(model, records, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "z.zarr"
    project_study(model, records, out, SETTINGS, keep_noise=True, batch_size=1)
    return out


def same(ours, theirs):
    for a, b in zip(
        (read_latents(ours)[0], read_quality(ours)),
        (read_latents(theirs)[0], read_quality(theirs)),
        strict=True,
    ):
        fields = dataclasses.asdict(a) if dataclasses.is_dataclass(a) else a._asdict()
        for name, value in fields.items():
            np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)
    for video in range(len(read_latents(ours)[0].subjects)):
        for a, b in zip(read_noise(ours, video), read_noise(theirs, video), strict=True):
            np.testing.assert_array_equal(a, b)
    return True


def test_workers_find_what_one_machine_does(scheduler, model, records, alone, tmp_path):
    out, counted = tmp_path / "z.zarr", []
    with wire() as sent:
        project_study(
            model,
            records,
            out,
            SETTINGS,
            keep_noise=True,
            batch_size=1,
            scheduler=scheduler,
            on_steps=counted.append,
        )
    assert same(out, alone) and sum(counted) == 9 * SETTINGS.num_steps
    assert [p.name for p in tmp_path.iterdir()] == ["z.zarr"]
    traffic = b"\n".join(sent)
    assert b"project-" in traffic and b"heart-" not in traffic


def test_a_dead_client_goes_on_from_parts_and_store(
    scheduler, model, records, alone, tmp_path, monkeypatch
):
    out, asked = tmp_path / "z.zarr", []
    do_all = over_cluster.do_all

    def die_after_two(scheduler, verb, do, items, folder):
        asked.append([item.video for item in items])
        if len(asked) > 1:
            yield from do_all(scheduler, verb, do, items, folder)
            return
        list(do_all(scheduler, verb, do, items[:2], folder))
        yield 0, None  # the second video's part is there, and the store does not have it
        raise KeyboardInterrupt

    monkeypatch.setattr(over_cluster, "do_all", die_after_two)
    monkeypatch.setattr(parts, "PATIENCE_S", 0.2)
    for _ in range(2):
        try:
            project_study(
                model, records, out, SETTINGS, keep_noise=True, batch_size=1, scheduler=scheduler
            )
        except KeyboardInterrupt:
            assert read_latents(out)[0].subjects == ["heart-a"]
    assert asked == [[0, 1, 2], [2]]
    assert same(out, alone) and [p.name for p in tmp_path.iterdir()] == ["z.zarr"]


def test_videos_that_end_their_workers_are_named_after_the_others(
    scheduler, model, records, alone, tmp_path, monkeypatch
):
    out = tmp_path / "z.zarr"
    do_all = over_cluster.do_all

    def all_but_the_first(scheduler, verb, do, items, folder):
        yield 0, WorkersDiedError("4 workers that began it died; give workers more memory")
        for index, error in do_all(scheduler, verb, do, items[1:], folder):
            yield index + 1, error

    with monkeypatch.context() as patch:
        patch.setattr(over_cluster, "do_all", all_but_the_first)
        with pytest.raises(ClusterError, match="^heart-a: not projected, for 4 workers that"):
            project_study(
                model, records, out, SETTINGS, keep_noise=True, batch_size=1, scheduler=scheduler
            )
    assert read_latents(out)[0].subjects == ["heart-bb", "heart-ccc"]
    project_study(model, records, out, SETTINGS, keep_noise=True, batch_size=1, scheduler=scheduler)
    assert same(out, alone)


def test_cines_that_are_no_records_are_refused_before_anything_is_written(model, tmp_path):
    with pytest.raises(InputError, match="--scheduler projects training records"):
        project_study(model, [make_cine("a", 3)], tmp_path / "z", SETTINGS, scheduler="local:2")
    assert list(tmp_path.iterdir()) == []
