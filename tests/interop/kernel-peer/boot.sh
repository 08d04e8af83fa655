#!/bin/bash
# boot.sh DIR LINES MEMORY - one User-Mode Linux guest, for as long as standard input stays open.
#
# The harness holds the other end of standard input, so when it closes that, or dies in any way, the whole guest is
# killed and DIR removed. Standard output is the guest's console and ends when the guest does. Descriptor 3 is the
# control channel (the guest's ttyS63). Line I of the guest reads DIR/lI.rx and writes DIR/lI.tx.
set -u
dir=$1 lines=$2 memory=$3
cd "$dir" || exit 1
trap '' HUP INT

arguments=()
for ((i = 0; i < lines; i++)); do
  mkfifo "l$i.rx" "l$i.tx"
  exec {rx}<>"l$i.rx" {tx}<>"l$i.tx" # both ways, so that neither end ever sees the other one close
  arguments+=("ssl$i=fd:$rx,fd:$tx")
done

# A session of its own: the guest is many processes, and its process group is how to reach them all.
setsid linux.uml mem="$memory" rootfstype=hostfs rootflags=/ ro init="$dir/init" quiet \
  con=null con0=null,fd:1 ssl=null ssl63=fd:3 "${arguments[@]}" umid=guest uml_dir="$dir/" RUN="$dir" \
  </dev/null 2>&1 &
guest=$!
exec >/dev/null 2>&1 3>&-

finish() {
  kill -KILL -- "-$guest"
  wait "$guest"
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 0' TERM
while read -r _; do :; done
