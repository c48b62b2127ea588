"""What is timed: each module here is one kind of work, written once for each library in that library's idiom.

A module's `workloads()` gives its `Workload`s. Plain NumPy code serves autotrace as it stands, and autograd with
its own `numpy`; JAX gets `jax.numpy`, compiled, loops also as `lax.scan` where that helps; PyTorch runs eagerly.
"""
