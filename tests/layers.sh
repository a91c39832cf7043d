#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Includes point one way: base <- vision <- station <- cli. And vision asks nothing of the world around it.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
forbid() { # folder, pattern, reason
	if found=$(grep -rnE "$2" "$1" --include='*.c' --include='*.h'); then
		echo "not ok - layers: $3"
		echo "$found"
		bad=1
	fi
}
forbid src/base '#include "(vision|station|cli|hub)/' 'base includes a room above it'
forbid src/vision '#include "(station|cli|hub)/' 'vision includes a room above it'
forbid src/station '#include "(cli|hub)/' 'station includes a room above it'
forbid include '#include "(base|vision|station|cli|hub)/' 'an installed header includes an internal one'
forbid src/vision '#include <(pthread|threads|sys/socket|netinet/|time|sys/time|syslog)' 'vision uses threads, sockets, clocks or logs'
forbid src/vision '\b(getenv|clock_gettime|gettimeofday|printf|fprintf|puts|perror)\(' 'vision reads the environment or a clock, or prints'
[ $bad = 0 ] && echo 'ok - layers'
exit $bad
