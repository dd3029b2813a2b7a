#!/bin/sh
# eclipse-mosquitto: as root it takes its folder over, read-only parts excepted, before it starts what it is told.
[ "$(id -u)" -ne 0 ] || chown -R mosquitto:mosquitto /mosquitto || true
exec "$@"
