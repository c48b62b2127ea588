"""Timings against the peers: `make bench`, or one alone, as in `python -m tests.benchmarks.eager`."""
