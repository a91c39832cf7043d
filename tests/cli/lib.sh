# SPDX-License-Identifier: Apache-2.0
# Checks for the command line tests; to be sourced. Prints "ok - ..." or "not ok - ..." for each.
passed=0
failed=0

ok() {
	passed=$((passed + 1))
	echo "ok - $1"
}

not_ok() { # what, details...
	failed=$((failed + 1))
	echo "not ok - $1"
	shift
	for detail in "$@"; do
		echo "$detail" | sed 's/^/#   /'
	done
}

# check WHAT COMMAND...: the command succeeds
check() {
	what=$1
	shift
	if "$@"; then ok "$what"; else not_ok "$what" "failed: $*"; fi
}

# exits STATUS WHAT COMMAND...: runs it with out and err in $tmp, checks its exit status
exits() {
	expected=$1 what=$2
	shift 2
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" || status=$?
	if [ "$status" = "$expected" ]; then
		ok "$what"
	else
		not_ok "$what" "exit status $status, expected $expected: $*" "$(head -c 600 "$tmp/err")" "$(head -c 600 "$tmp/out")"
	fi
}

# says FILE TEXT WHAT: the file has the text in it
says() {
	if grep -qF -e "$2" "$1"; then ok "$3"; else not_ok "$3" "not found: $2" "$(head -c 600 "$1")"; fi
}

# same WHAT ONE OTHER
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "found    $2" "expected $3"; fi
}

conclude() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
