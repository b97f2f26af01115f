#!/usr/bin/env bash
# Prepares this machine: system packages, .venv, the pinned Python packages.
#
# `make setup` runs it when it has something to do; running it once more does no
# harm.  PYTHON names the interpreter; otherwise the first of python3,
# python3.14 … python3.11 that is new enough is taken.
#
# Exit codes: 0 ready; 1 an installation failed; 3 something must be installed
# that it may not install (it prints the line to type).
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

readonly venv=.venv
readonly stamp=$venv/.set-up           # written last; the Makefile goes by it
readonly unfinished=$venv/.unfinished  # there while an installation is under way
readonly log=$venv/pip.log

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

give_up() { # CODE MESSAGE…
    say "${*:2}"
    exit "$1"
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || give_up 3 "PYTHON=$PYTHON is not a Python 3.11 or newer; name one that is"
        python=$PYTHON
        return
    fi
    for python in python3 python3.14 python3.13 python3.12 python3.11; do
        if have "$python" && new_enough "$python"; then return; fi
    done
    give_up 3 "no Python 3.11 or newer is here; install one (Debian 12, Ubuntu 24.04 and newer:" \
        "sudo apt-get install -y python3 python3-venv python3-dev) or name one with PYTHON=…"
}

# Sets `missing` to the Debian names of what is not here, by looking for the things themselves.
find_missing() {
    missing=()
    have ffmpeg || missing+=(ffmpeg)
    have espeak-ng || missing+=(espeak-ng)
    # pycairo and manimpango have no Linux wheel: they are compiled.
    have cc || have gcc || missing+=(build-essential)
    if have pkg-config; then
        pkg-config --exists cairo || missing+=(libcairo2-dev)
        pkg-config --exists pangocairo || missing+=(libpango1.0-dev)
    else
        missing+=(pkg-config libcairo2-dev libpango1.0-dev)
    fi
    # "python3.11", and what of it is lacking; only the system's own comes in packages.
    local version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import venv, ensurepip' 2>/dev/null || lacks_of_python "$version-venv" venv
    "$python" - 2>/dev/null <<'PYTHON' || lacks_of_python "$version-dev" headers
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())
PYTHON
}

lacks_of_python() { # PACKAGE WHAT
    if "$python" -c 'import sys; sys.exit(sys.base_prefix != "/usr")'; then
        missing+=("$1")
    else
        give_up 3 "$python comes without its $2; install Python with them or name another with PYTHON=…"
    fi
}

install_missing() {
    local line="apt-get install -y ${missing[*]}" as_root=()
    have apt-get || give_up 3 "please install: ${missing[*]} (Debian's names; there is no apt-get here)"
    if [ "$(id -u)" != 0 ]; then
        line="sudo $line"
        if ! have sudo || ! sudo -n true 2>/dev/null; then
            say "system packages are missing; please type this line, then run the same command again:"
            printf '%s\n' "$line" >&2
            exit 3
        fi
        as_root=(sudo -n)
    fi
    say "installing system packages: ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    local said
    said=$({ "${apt[@]}" update && "${apt[@]}" install -y "${missing[@]}"; } 2>&1 </dev/null) || {
        printf '%s\n' "$said" >&2
        give_up 3 "apt-get did not install them; when it can, type: $line"
    }
    find_missing
    [ ${#missing[@]} = 0 ] || give_up 3 "still missing after their installation: ${missing[*]}"
}

# Whether .venv can be installed into as it stands.  An environment that has lost
# its pyvenv.cfg still runs, as the Python it was made with, so its prefix is asked for.
sound() {
    [ ! -e "$unfinished" ] || return 1                                # killed half-way
    [ ! -e "$stamp" ] || [ "$(<"$stamp")" = "$(pwd -P)" ] || return 1 # its scripts name another folder
    "$venv/bin/python" -I - "$PWD/$venv" 2>/dev/null <<'PYTHON'
import os, sys
import pip
sys.exit(sys.version_info < (3, 11) or not os.path.samefile(sys.prefix, sys.argv[1]))
PYTHON
}

find_python
find_missing
[ ${#missing[@]} = 0 ] || install_missing

if ! sound; then
    say "making $venv with $("$python" --version)"
    # The marker stands while the old one goes, so that half of it is never taken for whole.
    mkdir -p "$venv"
    : >"$unfinished"
    find "$venv/" -mindepth 1 -maxdepth 1 ! -path "*/${unfinished##*/}" -exec rm -rf {} +
    "$python" -m venv "$venv" >&2 || give_up 1 "$python could not make $venv"
fi
: >"$unfinished"
rm -f "$stamp"
say "installing the pinned Python packages (some minutes the first time)"
"$venv/bin/python" -I -m pip --require-virtualenv install --disable-pip-version-check --no-input \
    --progress-bar off --constraint constraints.txt --editable '.[cluster,dev,slides,text,train,web]' >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    give_up 1 "pip could not install the Python packages; all that it said is in $log"
}
rm -f "$unfinished"
pwd -P >"$stamp"
say "ready"
