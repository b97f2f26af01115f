"""The set-up script on machines made of stubs; the real system is never touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "sh", "find", "tail", "rm", "mkdir", "cat", "env", "touch", "chmod", "awk", "make")
LIBRARIES = ("libcairo2-dev", "libpango1.0-dev")

# Answers what tools/setup.sh asks a Python, and logs what it is told to do.
# `-m venv` puts a copy of it into the folder; `-m pip` does what $PIP says.
PYTHON = """#!/usr/bin/env bash
case "$*" in
    *"version_info < (3, 11)"*) exit ${TOO_OLD:-0} ;;
    *"import venv"*) exit ${NO_VENV:-0} ;;
    "-I - "*) [ -e "$3/pyvenv.cfg" ]; exit ;; # no pyvenv.cfg: it runs, but as another Python
    *base_prefix*) exit ${NOT_DEBIANS:-0} ;;
    *'python%d.%d'*) echo python3.11 ;;
    --version) echo Python 3.11.2 ;;
    -) exit ${NO_HEADERS:-0} ;;
    "-m venv "*)
        echo "venv" >>"$LOG"
        mkdir -p "$3/bin"
        echo >"$3/pyvenv.cfg"
        cat "$0" >"$3/bin/python"
        chmod +x "$3/bin/python" ;;
    *"-m pip --require-virtualenv install"*) echo "pip" >>"$LOG"; eval "${PIP:-}" ;;
    *) echo "unexpected: $*" >>"$LOG"; exit 99 ;;
esac
"""
# Puts what it installs where the script looks for it.
APT_GET = """#!/usr/bin/env bash
echo "apt-get $*" >>"$LOG"
[ -z "${APT_BROKEN:-}" ] || { echo "E: no network"; exit 100; }
for word in "$@"; do
    case $word in
        ffmpeg | espeak-ng) cat "$0" >"$PROGRAMS/$word"; chmod +x "$PROGRAMS/$word" ;;
        lib*) touch "$PROGRAMS/$word" ;;
    esac
done
"""
PKG_CONFIG = """#!/usr/bin/env bash
case $2 in
    cairo) [ -e "$PROGRAMS/libcairo2-dev" ] ;;
    pangocairo) [ -e "$PROGRAMS/libpango1.0-dev" ] ;;
esac
"""


@dataclass
class Machine:
    """A clone, and a PATH of its own."""

    clone: Path
    programs: Path
    log: Path

    def add(self, name: str, body: str = "#!/bin/sh\n") -> None:
        path = self.programs / name
        path.write_text(body)
        path.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.programs / name).unlink()

    def user(self, number: int) -> None:
        self.add("id", f"#!/bin/sh\necho {number}\n")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        places = {"PATH": str(self.programs), "PROGRAMS": str(self.programs), "LOG": str(self.log)}
        return subprocess.run(
            command, cwd=self.clone, env={**places, **variables}, capture_output=True, text=True
        )

    def setup(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("bash", "tools/setup.sh", **variables)

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", *words, **variables)

    @property
    def done(self) -> list[str]:
        """What the stubs were told to do since this was last asked."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    @property
    def stamp(self) -> Path:
        return self.clone / ".venv" / ".set-up"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Everything is there, and the user is root."""
    clone, programs = tmp_path / "a clone", tmp_path / "programs"
    (clone / "tools").mkdir(parents=True)
    programs.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/setup.sh"):
        shutil.copy(ROOT / name, clone / name)
    for name in TOOLS:
        real = shutil.which(name)
        assert real, f"{name} is needed to test the set-up"
        (programs / name).symlink_to(real)
    machine = Machine(clone, programs, tmp_path / "log")
    for name in ("ffmpeg", "espeak-ng", "cc", *LIBRARIES):
        machine.add(name)
    machine.add("python3", PYTHON)
    machine.add("pkg-config", PKG_CONFIG)
    machine.add("apt-get", APT_GET)
    machine.user(0)
    return machine


def test_a_complete_machine_needs_no_apt(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert machine.done == ["venv", "pip"]
    assert machine.stamp.exists()
    assert done.stdout == ""
    assert all(line.startswith("setup: ") for line in done.stderr.splitlines())


class TestSystemPackages:
    def test_root_installs_what_is_missing_and_nothing_else(self, machine: Machine) -> None:
        machine.remove("espeak-ng", "libpango1.0-dev")
        assert machine.setup().returncode == 0
        options = "apt-get -qq -o DPkg::Lock::Timeout=300"
        assert machine.done == [
            f"{options} update",
            f"{options} install -y espeak-ng libpango1.0-dev",
            "venv",
            "pip",
        ]

    def test_sudo_is_used_where_it_asks_nothing(self, machine: Machine) -> None:
        machine.user(1000)
        machine.add("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\n[ "$1" = true ] || exec "$@"\n')
        machine.remove("ffmpeg")
        assert machine.setup().returncode == 0
        assert machine.done[1].endswith("install -y ffmpeg")

    @pytest.mark.parametrize("sudo", [None, "#!/bin/sh\nexit 1\n"])
    def test_others_are_told_the_line_to_type(self, machine: Machine, sudo: str | None) -> None:
        machine.user(1000)
        if sudo:
            machine.add("sudo", sudo)
        machine.remove("ffmpeg", "cc", *LIBRARIES)
        done = machine.setup()
        assert done.returncode == 3
        line = "sudo apt-get install -y ffmpeg build-essential libcairo2-dev libpango1.0-dev"
        assert line in done.stderr.splitlines()
        assert machine.done == []
        assert not (machine.clone / ".venv").exists()

    def test_without_pkg_config_its_libraries_are_asked_for(self, machine: Machine) -> None:
        machine.user(1000)
        machine.remove("pkg-config")
        line = "sudo apt-get install -y pkg-config libcairo2-dev libpango1.0-dev"
        assert line in machine.setup().stderr.splitlines()

    def test_without_apt_the_packages_are_named(self, machine: Machine) -> None:
        machine.remove("ffmpeg", "apt-get")
        done = machine.setup()
        assert done.returncode == 3
        assert "please install: ffmpeg (Debian's names; there is no apt-get here)" in done.stderr

    def test_a_failing_apt_is_quoted(self, machine: Machine) -> None:
        machine.remove("ffmpeg")
        done = machine.setup(APT_BROKEN="yes")
        assert done.returncode == 3
        assert "E: no network" in done.stderr
        assert done.stderr.endswith("type: apt-get install -y ffmpeg\n")


class TestPython:
    def test_none_that_is_new_enough(self, machine: Machine) -> None:
        done = machine.setup(TOO_OLD="1")
        assert done.returncode == 3
        assert "no Python 3.11 or newer" in done.stderr
        assert "sudo apt-get install -y python3 python3-venv python3-dev" in done.stderr

    def test_one_with_its_version_in_its_name(self, machine: Machine) -> None:
        machine.add("python3", "#!/bin/sh\nexit 1\n")
        machine.add("python3.12", PYTHON)
        assert machine.setup().returncode == 0

    def test_the_one_that_is_named(self, machine: Machine) -> None:
        machine.add("python3", "#!/bin/sh\nexit 1\n")
        machine.add("snake", PYTHON)
        assert machine.make("setup", "PYTHON=snake").returncode == 0

    def test_the_one_that_is_named_is_too_old(self, machine: Machine) -> None:
        machine.add("old", "#!/bin/sh\nexit 1\n")
        done = machine.setup(PYTHON="old")
        assert done.returncode == 3
        assert "PYTHON=old is not a Python 3.11 or newer" in done.stderr

    def test_debians_own_comes_in_packages(self, machine: Machine) -> None:
        machine.user(1000)
        done = machine.setup(NO_VENV="1", NO_HEADERS="1")
        assert done.returncode == 3
        assert "sudo apt-get install -y python3.11-venv python3.11-dev" in done.stderr.splitlines()

    def test_another_without_headers(self, machine: Machine) -> None:
        done = machine.setup(NO_HEADERS="1", NOT_DEBIANS="1")
        assert done.returncode == 3
        assert "python3 comes without its headers" in done.stderr


def test_a_failing_pip_is_quoted(machine: Machine) -> None:
    done = machine.setup(PIP="echo ERROR: soupsieve needs a newer Python >&2; exit 1")
    assert done.returncode == 1
    assert "ERROR: soupsieve needs a newer Python" in done.stderr
    assert not machine.stamp.exists()


class TestAgain:
    def test_the_second_time_there_is_nothing_to_do(self, machine: Machine) -> None:
        assert machine.make("setup").returncode == 0
        assert machine.done == ["venv", "pip"]
        again = machine.make("-n", "setup")
        assert again.returncode == 0
        assert "setup.sh" not in again.stdout
        assert "setup.sh" not in machine.make("-n", "lecture").stdout

    @pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "tools/setup.sh"])
    def test_what_is_installed_has_changed(self, machine: Machine, changed: str) -> None:
        machine.make("setup")
        later = machine.stamp.stat().st_mtime + 10
        os.utime(machine.clone / changed, (later, later))
        assert machine.make("setup").returncode == 0
        assert machine.done == ["venv", "pip", "pip"], "the environment is kept"

    @pytest.mark.parametrize("interruption", ["kill -9 $PPID", "exit 1"])
    def test_what_was_cut_short_is_made_anew(self, machine: Machine, interruption: str) -> None:
        assert machine.make("setup", PIP=interruption).returncode != 0
        assert not machine.stamp.exists()
        (machine.clone / ".venv" / "half a package").touch()
        assert machine.make("setup").returncode == 0
        assert machine.done == ["venv", "pip", "venv", "pip"]
        assert not (machine.clone / ".venv" / "half a package").exists()

    def test_an_update_that_was_cut_short_is_made_anew(self, machine: Machine) -> None:
        machine.make("setup")
        assert machine.setup(PIP="exit 1").returncode == 1
        assert machine.make("setup").returncode == 0
        assert machine.done == ["venv", "pip", "pip", "venv", "pip"]

    def test_an_environment_whose_python_is_gone(self, machine: Machine) -> None:
        machine.make("setup")
        (machine.clone / ".venv" / "bin" / "python").unlink()
        assert machine.make("setup").returncode == 0
        assert machine.done == ["venv", "pip", "venv", "pip"]

    def test_an_environment_that_is_another_python_by_now(self, machine: Machine) -> None:
        # Without pyvenv.cfg pip would install into the Python that it was made with.
        machine.make("setup")
        (machine.clone / ".venv" / "pyvenv.cfg").unlink()
        assert machine.setup().returncode == 0
        assert machine.done == ["venv", "pip", "venv", "pip"]

    def test_a_clearing_that_was_cut_short(self, machine: Machine) -> None:
        machine.make("setup")
        machine.clone = machine.clone.rename(machine.clone.with_name("elsewhere"))
        find = (machine.programs / "find").resolve()
        machine.remove("find")
        machine.add("find", f'#!/bin/sh\n{find} "$@"; kill -9 $PPID\n')
        assert machine.make("setup").returncode != 0
        assert [path.name for path in machine.stamp.parent.iterdir()] == [".unfinished"]

    def test_a_clone_that_was_moved(self, machine: Machine) -> None:
        machine.make("setup")
        machine.clone = machine.clone.rename(machine.clone.with_name("elsewhere"))
        assert machine.make("setup").returncode == 0
        assert machine.done == ["venv", "pip", "venv", "pip"]
        assert "setup.sh" not in machine.make("-n", "setup").stdout


class TestMakefile:
    def test_help_comes_first_and_sets_nothing_up(self, machine: Machine) -> None:
        done = machine.make()
        assert done.returncode == 0
        named = re.findall(r"^make (\w+) +\S", done.stdout, re.MULTILINE)
        wanted = {"help", "setup", "lecture", "test", "lint", "gallery", "bench", "clean"}
        assert set(named) == wanted
        assert machine.done == []

    @pytest.mark.parametrize("target", ["lecture", "test", "lint", "gallery", "bench"])
    def test_the_others_set_up_first(self, machine: Machine, target: str) -> None:
        lines = machine.make("-n", target).stdout.splitlines()
        assert lines[0] == "bash tools/setup.sh"

    def test_clean_keeps_what_took_long(self, machine: Machine) -> None:
        kept = [".venv/x", "runs/x", "media/gallery/x.gif", "diffusion_core/x.py"]
        gone = ["media/scene/x.mp4", ".mypy_cache/x", "scenes/__pycache__/x.pyc", "build/x"]
        for name in kept + gone:
            path = machine.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert machine.make("clean").returncode == 0
        assert [name for name in kept + gone if (machine.clone / name).exists()] == kept


def pins() -> dict[str, Version]:
    """Canonical names and versions in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    asked = [Requirement(line) for line in (s.partition("#")[0].strip() for s in lines) if line]
    found = {}
    for one in asked:
        (specifier,) = one.specifier
        assert specifier.operator == "==", f"{one} is not pinned"
        found[canonicalize_name(one.name)] = Version(specifier.version)
    assert len(found) == len(asked), "a package is pinned twice"
    return found


def dependencies() -> list[Requirement]:
    """What `make setup` installs, extras included; voices that it leaves out are not pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = re.search(r"--editable '\.\[([\w,]+)\]'", (ROOT / "tools/setup.sh").read_text())
    assert asked is not None
    extras = [project["optional-dependencies"][extra] for extra in asked[1].split(",")]
    return [Requirement(line) for group in (project["dependencies"], *extras) for line in group]


def needed(asked: list[Requirement]) -> set[str]:
    """Canonical names of what ``asked`` brings with it, as the installed packages say."""
    found: set[str] = set()
    queue = [(one.name, extra) for one in asked for extra in ("", *one.extras)]
    seen = set(queue)
    while queue:
        name, extra = queue.pop()
        found.add(canonicalize_name(name))
        for line in metadata.requires(name) or []:
            one = Requirement(line)
            if one.marker and not one.marker.evaluate({"extra": extra}):
                continue
            fresh = {(one.name, extra) for extra in ("", *one.extras)} - seen
            seen |= fresh
            queue.extend(fresh)
    return found


class TestConstraints:
    def test_every_dependency_is_pinned_within_its_range(self) -> None:
        pinned = pins()
        for one in dependencies():
            assert one.specifier.contains(pinned[canonicalize_name(one.name)]), one

    def test_what_they_bring_with_them_is_pinned_too(self) -> None:
        # Builds of torch for other machines bring packages that are not for all.
        foreign = re.compile("nvidia|cuda|triton")
        missing = {name for name in needed(dependencies()) if not foreign.match(name)} - set(pins())
        assert missing == set()

    def test_no_pin_is_too_new_for_the_oldest_python(self) -> None:
        oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
        (specifier,) = SpecifierSet(oldest)
        for name, version in pins().items():
            try:
                installed = metadata.metadata(name)
            except metadata.PackageNotFoundError:
                continue  # for another Python
            if Version(installed["Version"]).public == version.public:
                takes = SpecifierSet(installed.get("Requires-Python", ""))
                assert takes.contains(f"{specifier.version}.0"), f"{name} takes {takes}"

    def test_nothing_is_pinned_to_one_kind_of_machine(self) -> None:
        assert not [name for name in pins() if re.search("nvidia|cuda|triton", name)]
        assert not [name for name, version in pins().items() if version.local]


def test_no_file_says_where_packages_come_from() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a clone")
    # Spelt so that this file does not hold them.
    words = (
        "pypi" + r"\.org",
        "python" + "hosted",
        "--(extra-)?index" + "-url",
        "--find" + "-links",
    )
    hosts = re.compile("|".join(words), re.IGNORECASE)
    naming = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content and hosts.search(content.decode(errors="replace")):
            naming.append(name)
    assert naming == []


class TestBrowser:
    """What only the tests need; it never stops them."""

    def browser(self, machine: Machine, **variables: str) -> subprocess.CompletedProcess[str]:
        shutil.copy(ROOT / "tools/test-setup.sh", machine.clone / "tools")
        done = machine.run("bash", "tools/test-setup.sh", **variables)
        assert done.returncode == 0
        assert done.stdout == ""
        return done

    @pytest.mark.parametrize("name", ["chromium", "google-chrome"])
    def test_one_that_is_here_is_taken(self, machine: Machine, name: str) -> None:
        machine.add(name)
        assert self.browser(machine).stderr == ""
        assert machine.done == []

    def test_root_installs_it(self, machine: Machine) -> None:
        self.browser(machine)
        assert machine.done[-1].endswith("install -y --no-install-recommends chromium")

    def test_others_are_told_the_line_to_type(self, machine: Machine) -> None:
        machine.user(1000)
        done = self.browser(machine)
        assert "sudo apt-get install -y chromium" in done.stderr.splitlines()
        assert machine.done == []

    def test_sudo_is_used_where_it_asks_nothing(self, machine: Machine) -> None:
        machine.user(1000)
        machine.add("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\n[ "$1" = true ] || exec "$@"\n')
        self.browser(machine)
        assert machine.done[-1].endswith("chromium")

    def test_a_failing_apt_fails_nothing(self, machine: Machine) -> None:
        done = self.browser(machine, APT_BROKEN="yes")
        assert "E: no network" in done.stderr
        assert "tests in a browser are skipped" in done.stderr

    def test_without_apt_it_says_so(self, machine: Machine) -> None:
        machine.remove("apt-get")
        assert "tests in a browser are skipped" in self.browser(machine).stderr
