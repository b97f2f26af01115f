#!/usr/bin/env bash
# Installs what only the tests need: a Chromium, to look at the explorer as a
# person does.  `make test` runs it.  Where it may not install anything it says
# the line to type, and the tests that need a browser are skipped: it never fails.
set -uo pipefail

say() { printf 'test-setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

for program in chromium chromium-browser google-chrome google-chrome-stable; do
    if have "$program"; then exit 0; fi
done
if ! have apt-get; then
    say "no Chromium is here, and no apt-get to install it: tests in a browser are skipped"
    exit 0
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! have sudo || ! sudo -n true 2>/dev/null; then
        say "no Chromium is here: tests in a browser are skipped; to have them, type:"
        printf 'sudo apt-get install -y chromium\n' >&2
        exit 0
    fi
    as_root=(sudo -n)
fi
say "installing chromium"
apt=(${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
said=$({ "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends chromium; } 2>&1 </dev/null) || {
    printf '%s\n' "$said" | tail -n 5 >&2
    say "apt-get did not install chromium: tests in a browser are skipped"
}
exit 0
