#!/bin/sh
# apicurio/apicurio-registry: the start script of its base image.
# shellcheck disable=SC2086
exec java $JAVA_OPTIONS $JAVA_OPTS_APPEND -jar /deployments/quarkus-run.jar
