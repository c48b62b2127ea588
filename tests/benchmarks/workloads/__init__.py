"""What is timed: each module here is one kind of work, written once for each library in that library's idiom.

A module's `workloads()` gives its `Workload`s. Plain NumPy code serves autotrace as it stands, and autograd
with its own `numpy`; JAX gets `jax.numpy`, compiled, loops also as `lax.scan` where that helps; PyTorch runs
eagerly.
"""

from . import (
    bundle,
    chain,
    kmeans,
    least_squares,
    logistic,
    lstm,
    mixture,
    nested,
    network,
    overhead,
    recurrent,
    scalar_loops,
)
from .workload import Workload

__all__ = ["Workload", "all_workloads"]

_MODULES = (
    overhead,
    chain,
    network,
    least_squares,
    logistic,
    mixture,
    bundle,
    kmeans,
    lstm,
    recurrent,
    scalar_loops,
    nested,
)


def all_workloads() -> dict[str, Workload]:
    """Return every workload by its name, in the order of the tables."""
    return {workload.name: workload for module in _MODULES for workload in module.workloads()}
