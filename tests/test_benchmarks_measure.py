import pytest

from gancmri_jax.benchmarks.measure import ON_ACCELERATORS, Ceiling, Result, Timing, time_rounds


def test_on_a_cpu_the_ceiling_is_what_it_was():
    timing = Timing(2.0, 100.0, None, Ceiling(2048, "float32", 0, 1))
    result = Result("synthesis", 2.0, 50.0, timing, ("videos_per_second", 0.5), {})
    assert str(result) == (
        "synthesis: 2 s, 0.5 videos per second, 50.0 GFLOP/s of the ideal algorithm; "
        "matrix products 100 GFLOP/s, 0.50 of it"
    )
    assert result.as_json()["matmul"] == "float32 2048³"
    assert result.as_json()["bandwidth_fraction"] is None


def test_on_an_accelerator_both_fractions_are_printed():
    timing = Timing(2.0, 800e3, 4000.0, ON_ACCELERATORS)
    rate = ("videos_per_second", 0.5)
    result = Result("synthesis", 2.0, 200e3, timing, rate, {}, gbytes=1600.0)
    assert str(result).endswith(
        "matrix products 800000 GFLOP/s, 0.25 of it; copies 4000 GB/s, 0.20 of it by XLA's count "
        "of bytes"
    )
    assert result.as_json()["matmul"] == "bfloat16 8192³"
    assert result.as_json()["bandwidth_fraction"] == pytest.approx(0.2)


def test_products_and_copies_are_timed_between_rounds():
    calls = []
    timing = time_rounds(lambda: calls.append(1), 2, Ceiling(16, "bfloat16", 4096, 3))
    assert len(calls) == 3 and timing.seconds < 1
    assert timing.matmul_gflops > 0 and timing.copy_gb_per_second > 0
    assert time_rounds(lambda: None, 1, Ceiling(8, "float32", 0, 1)).copy_gb_per_second is None
