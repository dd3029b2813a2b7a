"""The bridge for ten minutes at a steady rate, with Kafka frozen now and then: memory stays flat, nothing is lost.

    uv run python -m tests.benchmarks.bridge_soak [--minutes 10] [--rate 2000]

Prints memory as it goes; exits 1 if a message is missing or memory grew by more than a tenth between the first and the
last third.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import psutil

from helpers import lab
from tests.integration.bridge.support import Bench, Program

FROZEN_EVERY, FROZEN_FOR = 120.0, 5.0
LOOK_EVERY = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=2000, help="messages a second")
    options = parser.parse_args()
    with lab.scratch("mqtt") as mqtt, lab.scratch("kafka") as kafka:
        bench = Bench(mqtt, kafka, "soak").make_topics()
        devices, seen = bench.devices(count=100), []
        with Program("ours", bench.settings(sequence="seq")) as bridge:
            process = psutil.Process(bridge.process.pid)
            began = time.monotonic()
            frozen = began
            while (passed := time.monotonic() - began) < options.minutes * 60:
                devices.publish(int(options.rate * LOOK_EVERY), rate=options.rate)
                devices.settle()
                seen.append(process.memory_info().rss / 1e6)
                print(
                    f"{passed:6.0f} s: {seen[-1]:6.1f} MB, {devices.total:,} sent, {bench.stored():,} in Kafka",
                    flush=True,
                )
                if time.monotonic() - frozen > FROZEN_EVERY:
                    frozen = time.monotonic()
                    kafka.freeze()
                    time.sleep(FROZEN_FOR)
                    kafka.thaw()
            bench.wait_stored(devices)
            ledger = bridge.terminate()
        devices.close()
        outcome = bench.outcome(devices)
    third = max(1, len(seen) // 3)
    first, last = statistics.median(seen[:third]), statistics.median(seen[-third:])
    print(f"ledger: {ledger}")
    print(
        f"{len(outcome.missing)} missing, {outcome.duplicates} duplicates; "
        f"{first:.1f} MB at first, {last:.1f} MB at last"
    )
    sys.exit(1 if outcome.missing or last > 1.1 * first else 0)


if __name__ == "__main__":
    main()
