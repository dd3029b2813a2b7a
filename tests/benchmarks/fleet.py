"""How many times faster than real time ten thousand generators are read, at one reading a second each, on one core.

python tests/benchmarks/fleet.py [generators] [seconds]
"""

import resource
import sys
import time

from helpers.fleet.fleet import Fleet


def main(size: int = 10_000, seconds: int = 120) -> None:
    began = time.process_time()
    fleet = Fleet(size)
    print(f"{size:,} generators made in {time.process_time() - began:.2f} s")

    spent = []
    for _ in range(seconds):
        began = time.process_time()
        for reading in fleet.step(1.0):
            reading.to_json()
            reading.headers()
        spent.append(time.process_time() - began)

    rate = size * seconds / sum(spent)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rate:,.0f} readings/s as JSON with headers; needed: {size:,}/s; ratio {rate / size:.1f}")
    print(f"slowest second (all loads change once a minute): {max(spent):.2f} s; memory {memory:.0f} MB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
