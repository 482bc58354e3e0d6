"""How long `alref-agent --help` takes, against a Python that does nothing.

python benchmarks/startup.py [--runs 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

LIMIT = 0.3
"""Seconds."""


def median_seconds(words: list[str], runs: int) -> float:
    """Median wall time of a command, after one run to warm the file cache."""
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def main() -> None:
    """Measure and print; status 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    nothing = median_seconds([sys.executable, "-c", "pass"], runs)
    package = median_seconds([sys.executable, "-c", "import alref_agent"], runs)
    helped = median_seconds([sys.executable, "-m", "alref_agent", "--help"], runs)
    print(f"python -c pass:       {nothing:.3f} s")
    print(f"import alref_agent:   {package:.3f} s ({package / nothing:.1f} times that)")
    print(f"alref-agent --help:   {helped:.3f} s ({helped / nothing:.1f} times; limit {LIMIT} s)")
    sys.exit(helped > LIMIT)


if __name__ == "__main__":
    main()
