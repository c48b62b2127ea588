"""The memory of a gradient through a long loop, plain and checkpointed: measured, and drawn as text.

If Matplotlib is installed, ``--save FILE.png`` saves the same picture.
"""

import argparse
import time
import tracemalloc

import numpy as np

from autotrace import checkpointed_scan, grad, scan

SIZE = 2_000
LENGTHS = (125, 250, 500, 1000)
WAYS = {"scan": 0, "levels=2": 2, "levels=3": 3}


def gradient(levels, length):
    def step(x, _):
        return 1.0001 * np.sin(x) + 0.01, None

    def f(x):
        if not levels:
            return np.sum(scan(step, x, length=length)[0])
        return np.sum(checkpointed_scan(step, x, length=length, levels=levels)[0])

    return grad(f)


def measure(levels, length):
    """Return the most bytes in use at a time, the seconds of a call, and the gradient."""
    x = np.linspace(0.1, 1.0, SIZE)
    backward = gradient(levels, length)
    start = time.perf_counter()
    backward(x)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    result = backward(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, seconds, result


def draw(peaks):
    largest = max(max(row) for row in peaks.values())
    for i, length in enumerate(LENGTHS):
        print(f"{length} runs")
        for way, row in peaks.items():
            bar = "#" * max(1, round(50 * row[i] / largest))
            print(f"  {way:<9} {bar} {row[i] / 1e6:.2f} MB")


def save(peaks, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    for way, row in peaks.items():
        axes.loglog(LENGTHS, np.array(row) / 1e6, "o-", label=way)
    axes.set(xlabel="runs of the loop", ylabel="peak memory [MB]")
    axes.legend()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", metavar="FILE", help="save a picture (needs Matplotlib)")
    path = parser.parse_args().save
    peaks = {way: [] for way in WAYS}
    for length in LENGTHS:
        found = {way: measure(levels, length) for way, levels in WAYS.items()}
        for way, (peak, _, result) in found.items():
            peaks[way].append(peak)
            np.testing.assert_allclose(result, found["scan"][2], rtol=1e-10)
    draw(peaks)
    if path:
        save(peaks, path)
    growth = {way: row[-1] / row[0] for way, row in peaks.items()}
    print(f"\n{LENGTHS[-1] // LENGTHS[0]} times as many runs need")
    for way, factor in growth.items():
        print(f"  {way:<9} {factor:.1f} times the memory")
    assert growth["scan"] > 6 > 4 > growth["levels=2"] > growth["levels=3"] > 1
    assert peaks["levels=2"][-1] < peaks["scan"][-1] / 8
    print("The gradients agree, and the memory of a checkpointed loop grows as the root of its length.")


if __name__ == "__main__":
    main()
