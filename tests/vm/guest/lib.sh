# Shared by both guests: runs under busybox sh. Lines for the host begin with HINOMI-VM.

FAILURES=0
say() { echo "HINOMI-VM $*"; }
ok() { say "  ok      $*"; }
failed() { say "  FAILED  $*"; FAILURES=$((FAILURES + 1)); }

# The kernel's file systems, as an init makes them.
mount_all() {
    mkdir -p /proc /sys /dev /tmp /run
    mount -t proc p /proc
    mount -t sysfs s /sys
    mount -t devtmpfs d /dev 2>/dev/null
    mount -t cgroup2 c /sys/fs/cgroup
    mount -t tmpfs t /tmp
    mount -t tmpfs r /run
    ln -sfn /proc/self/fd /dev/fd
}

# Ends the machine with the verdict.
finish() {
    say "done $FAILURES"
    sync
    poweroff -f
}

# start_watch OPTIONS...: the example, fed by descriptor 9, writing facts to $OUT.
start_watch() {
    OUT=/tmp/facts.$$.$1; rm -f /tmp/in "$OUT"; mkfifo /tmp/in
    shift
    /bin/oom_watch "$@" < /tmp/in > "$OUT" 2>/tmp/watch.err &
    WATCH=$!
    exec 9>/tmp/in
    sleep 0.5
}

stop_watch() {
    exec 9>&-
    wait $WATCH || failed "oom_watch ended badly: $(cat /tmp/watch.err)"
    [ "$(ls "$(tracefs)/instances" 2>/dev/null | grep -c hinomi)" = 0 ] || failed "a tracefs instance stays behind"
}

# Where a tracefs can be looked at.
tracefs() {
    [ -d /tmp/tracefs/instances ] || { mkdir -p /tmp/tracefs; mount -t tracefs t /tmp/tracefs; }
    echo /tmp/tracefs
}

facts_of() { grep -c "\"uid\":\"$1\".*\"attribute\":\"oom\"" "$OUT"; }

# expect NAME ID N PATTERN: exactly N facts about ID, each with PATTERN, and no more within the time of a double.
expect() {
    tries=0
    while [ "$(facts_of "$2")" -lt "$3" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    sleep 0.7
    n=$(facts_of "$2")
    good=$(grep "\"uid\":\"$2\"" "$OUT" | grep -c "$4")
    if [ "$n" = "$3" ] && [ "$good" = "$3" ]; then ok "$1: $n fact(s)"; else
        failed "$1: $n fact(s), $good with $4, expected $3: $(grep "$2" "$OUT" | head -3)"
    fi
}
