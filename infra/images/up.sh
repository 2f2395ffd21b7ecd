#!/bin/sh
# `tidemill up` starts the services and returns; a container ends when its first process does. So
# stay for as long as they run, and take them down when the container is stopped.
set -eu
trap 'tidemill down; exit 0' TERM INT
tidemill up
until tidemill status | grep -q '^nothing runs'; do
  sleep 15 &
  wait $!
done
exit 1
