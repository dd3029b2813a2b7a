#!/bin/bash
# InfluxDB 2 runs this once, when it makes its first bucket: lesson 10 asks for a database, as in version 1.
set -euo pipefail
influx v1 dbrp create --db generators --rp autogen --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --default
