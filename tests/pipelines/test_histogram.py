"""Histograms in the Prometheus text: buckets add up, the last one is all."""

from __future__ import annotations

from pipelines.metrics import Registry, samples


def test_buckets_add_up() -> None:
    registry = Registry()
    registry.histogram("wait_seconds", "Waiting.", (0.1, 1.0)).set([3, 2, 1], 4.5, channel="lab")
    text = registry.text()
    assert "# TYPE tabellion_wait_seconds histogram" in text
    assert samples(text) == {
        'tabellion_wait_seconds_bucket{channel="lab",le="0.1"}': 3,
        'tabellion_wait_seconds_bucket{channel="lab",le="1"}': 5,
        'tabellion_wait_seconds_bucket{channel="lab",le="+Inf"}': 6,
        'tabellion_wait_seconds_sum{channel="lab"}': 4.5,
        'tabellion_wait_seconds_count{channel="lab"}': 6,
    }
