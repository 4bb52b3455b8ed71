"""The pipe between a parent and its child: rings, stop, a dead child, a dead parent, a pipe that is full."""

from __future__ import annotations

from pipelines.control import bell


def test_rings_and_stop() -> None:
    """Any number of rings is one; a stop stays."""
    ours, theirs = bell()
    assert not theirs.wait(0)
    ours.ring()
    ours.ring()
    assert theirs.wait(1)
    assert not theirs.wait(0)
    ours.stop()
    assert theirs.wait(1)
    assert theirs.stopped
    assert theirs.ended
    assert not theirs.orphaned
    ours.close()
    theirs.close()


def test_ringing_never_blocks() -> None:
    """Nobody listens: the pipe fills, the bell goes on."""
    ours, theirs = bell()
    for _ in range(100_000):
        ours.ring()
    assert theirs.wait(0)
    ours.close()
    theirs.close()


def test_a_dead_child_and_a_dead_parent() -> None:
    """Ringing into nothing is nothing; hearing from nobody is the end."""
    ours, theirs = bell()
    theirs.close()
    ours.ring()
    ours.close()
    ours, theirs = bell()
    ours.close()
    theirs.wait(1)
    assert theirs.orphaned
    assert theirs.ended
    theirs.close()
