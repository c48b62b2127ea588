"""The names of SciPy for traced values: ``import autotrace.scipy.special as asp``, and likewise linalg, stats, signal;
``autotrace.scipy.optimize`` and ``autotrace.scipy.sparse.linalg``.

In the first four SciPy computes; this adds the derivatives. ``import autotrace`` never imports it. SciPy's own ufuncs
take traced values by themselves (``scipy.special.erf(t)``), in which case the rules are loaded when the first one
is met. The solvers of the last two are programs of this library, and need NumPy alone.
"""
