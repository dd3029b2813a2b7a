#!/bin/sh
# influxdb 1.x: what it is told, or influxd with these options. influxd itself reads INFLUXDB_* variables.
case "$1" in -*) set -- influxd "$@" ;; esac
exec "$@"
