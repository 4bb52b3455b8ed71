"""Comparisons that anyone can rerun: each figure beside a peer measured in the same run (docs/performance.md).

`python -m benchmarks [NAME...] [--quick]`; `make bench` runs them all.
"""
