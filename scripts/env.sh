# Sourced by the other scripts: one place for folders, PATH and the words they speak with.
# shellcheck shell=bash

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HINOMI_CACHE=${HINOMI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hinomi}
export HINOMI_CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HINOMI_CACHE/target}
mkdir -p "$HINOMI_CACHE"

# rustup's folder is missing from PATH in shells that were open while it was installed; the folders of root's tools
# are missing for plain users.
for dir in "$HOME/.cargo/bin" /usr/local/sbin /usr/sbin /sbin; do
  case ":$PATH:" in *":$dir:"*) ;; *) PATH=$PATH:$dir ;; esac
done

# Tools for tests that scripts/setup-test unpacked instead of installing them.
UNPACKED=$HINOMI_CACHE/debs/root
if [ -d "$UNPACKED/hinomi-bin" ]; then
  PATH=$UNPACKED/hinomi-bin:$PATH
fi
export PATH

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
  warn "error: $*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or by sudo. 97 = neither is possible.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo -- "$@"
  else
    return 97
  fi
}

# Whether version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
