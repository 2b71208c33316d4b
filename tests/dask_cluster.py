"""Dask clusters for tests, and what goes over their wires."""

import contextlib
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def one_worker() -> Iterator[str]:
    """Start a scheduler and a worker in threads of this process; yield the scheduler's address.

    They speak over TCP, so that all is pickled as it is between machines.
    """
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address=":0",
    ) as cluster:
        yield cluster.scheduler_address


@contextlib.contextmanager
def wire() -> Iterator[list[bytes]]:
    """Record every message that client, scheduler and worker send in the block."""
    from distributed.comm import tcp

    sent: list[bytes] = []
    to_frames = tcp.to_frames

    async def recorded(*arguments, **options):
        frames = await to_frames(*arguments, **options)
        sent.append(b"".join(bytes(frame) for frame in frames))
        return frames

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tcp, "to_frames", recorded)
        yield sent
