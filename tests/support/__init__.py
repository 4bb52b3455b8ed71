"""What several tests share: real peers started for a run, and nothing that stands in for our own code."""
