"""The tests. A package, so that tests share helpers by name and benchmarks run as `python -m`."""
