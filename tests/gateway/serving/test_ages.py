"""The age of the oldest message of a channel: never too young, a mark's breadth too old at most, and bounded."""

from __future__ import annotations

from gateway.serving.ages import Ages


def test_ages_of_channels() -> None:
    ages = Ages()
    for seq, channel, now in ((1, "a", 0.0), (2, "b", 0.1), (3, "a", 0.2), (4, "a", 5.0)):
        ages.note(channel, seq, now)
    assert ages.oldest(0, 10) == {"a": 10.0, "b": 9.9}
    assert ages.oldest(1, 10) == {"a": 10.0, "b": 9.9}  # 3 came in the same second as 1
    assert ages.oldest(3, 10) == {"a": 5.0, "b": 0.0}
    assert ages.oldest(4, 10) == {"a": 0.0, "b": 0.0}
    ages.note("a", 5, 5.5)  # the mark is still that of 4
    assert ages.oldest(4, 12) == {"a": 7.0, "b": 0.0}
    ages.note("a", 6, 11.0)
    assert ages.oldest(5, 12) == {"a": 1.0, "b": 0.0}


def test_a_backlog_of_a_week_has_few_marks() -> None:
    ages = Ages()
    for seq in range(7 * 86_400 // 60):
        ages.note("a", seq, seq * 60.0)
    assert len(ages._marks["a"]) < 10_000
    assert ages.oldest(-1, 7 * 86_400.0)["a"] == 7 * 86_400.0
