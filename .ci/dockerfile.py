"""Run the steps of the Dockerfile in a bare Debian, without Docker: `make check-deploy` calls this.

It needs root and debootstrap. `debian:bookworm-slim` is what debootstrap makes of bookworm. The
last stage is then used as a container would be: as its user, with a root that cannot be written,
a volume and a folder for temporary files. A sandbox of the provider stands beside it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BASES = {"debian:bookworm-slim": "bookworm"}
PATIENCE_S = 120
CHROOT = shutil.which("chroot") or "chroot"
TOKEN = "a-token-for-the-test-of-the-container"
FILES = {"path": "bars", "actions": "actions", "symbols": "symbols"}
ASK = f"""
import json, urllib.error, urllib.request
url = "http://127.0.0.1:8600/api/v1/scan?q=close%3Esma(200)%20and%20rsi(14)%3C30"
def get(**headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
try:
    get()
except urllib.error.HTTPError as error:
    without = error.code
matches = json.load(get(Authorization="Bearer {TOKEN}"))["matched"]
print(json.dumps({{"matches": matches, "without": without}}))
"""
"""A program that scans with the token and without it."""

SETTINGS = ("/etc/resolv.conf", "/etc/apt", "/etc/ssl/certs", "/etc/xdg/pip", "/etc/pip.conf")
"""How this machine reaches the archives of Debian and Python; a stage sees it while it is built."""


class Instruction(NamedTuple):
    """One instruction of a Dockerfile: its name, and what follows it."""

    name: str
    rest: str


class Stage:
    """One stage: a folder with its root, and what the instructions have set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = "/"
        self.variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user = "0"
        self.volumes: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []


def main() -> None:
    """Build all stages, and try the last one."""
    if os.geteuid() or not shutil.which("debootstrap"):
        sys.exit("make check-deploy needs root and debootstrap: apt-get install debootstrap")
    if "MARKETSWEEP_OWN_MOUNTS" not in os.environ:  # its mounts end with it
        os.environ["MARKETSWEEP_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, __file__])
    instructions = parse((ROOT / "Dockerfile").read_text())
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        stage = build(instructions, Path(folder))
        size = int(run("du", "-sm", "--one-file-system", str(stage.root)).split()[0])
        print(f"the image has {size:,} MB, {size - base_size(Path(folder)):,} MB beyond Debian's")
        try:
            use(stage, Path(folder))
        finally:
            unmount_all(Path(folder))


def parse(text: str) -> list[Instruction]:
    """Return the instructions, with their lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    parts = [line.split(maxsplit=1) for line in whole.splitlines() if line.strip()]
    return [Instruction(name.upper(), rest.strip()) for name, rest in parts]


def build(instructions: list[Instruction], folder: Path) -> Stage:
    """Carry out all instructions, and return the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for name, rest in instructions:
        print(f"{name} {' '.join(rest.split())[:100]}", flush=True)
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stage = Stage(folder / f"stage{len(stages)}")
            run("cp", "-a", str(bare(BASES[base], folder)), str(stage.root))
            stages[alias or str(len(stages))] = stage
        elif name == "COPY":
            copy(stage, stages, shlex.split(rest))
        elif name == "RUN":
            run_inside(stage, ["/bin/sh", "-c", rest])
        elif name == "ENV":
            stage.variables |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif name == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "HEALTHCHECK":
            stage.health = json.loads(rest.partition("CMD ")[2])
        elif name == "CMD":
            stage.command = json.loads(rest)
        elif name == "VOLUME":
            stage.volumes.append(rest)
        elif name == "USER":
            stage.user = rest
        elif name != "EXPOSE":
            sys.exit(f"{name} is not an instruction that this program knows")
    return stage


def bare(release: str, folder: Path) -> Path:
    """Return the root of a bare Debian."""
    root = folder / release
    if not root.exists():
        run("debootstrap", "--variant=minbase", release, str(root))
    return root


def base_size(folder: Path) -> int:
    """Return the size of the bare Debian in megabytes."""
    return int(run("du", "-sm", str(folder / "bookworm")).split()[0])


def copy(stage: Stage, stages: dict[str, Stage], words: list[str]) -> None:
    """Copy files of the project that .dockerignore leaves, or a folder of another stage."""
    if words[0].startswith("--from="):
        source = stages[words[0].removeprefix("--from=")].root / words[1].lstrip("/")
        run("cp", "-a", str(source), str(stage.root / words[2].lstrip("/")))
        return
    if words != [".", "."]:
        sys.exit(f"COPY {' '.join(words)} is not a form that this program knows")
    ignored = (ROOT / ".dockerignore").read_text().split()
    listed = run("git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard")
    for name in listed.splitlines():
        if name.split("/")[0] not in ignored and (ROOT / name).exists():
            target = stage.root / stage.folder.lstrip("/") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)


def run_inside(stage: Stage, command: list[str]) -> None:
    """Run a command as root in a stage, with this machine's ways to its archives."""
    for path in filter(os.path.exists, SETTINGS):  # copies: a package may write them anew
        target = stage.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        run("cp", "-aLT", "--remove-destination", path, str(target))
    mounted = ["/proc", *filter(os.path.exists, pip_folders())]
    for path in mounted:
        target = stage.root / path.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        run("mount", "--bind", path, str(target))
        run("mount", "-o", "remount,bind,ro", str(target))
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    inside = [CHROOT, str(stage.root), "/bin/sh", "-c", f'cd {stage.folder} && exec "$@"', "sh"]
    try:
        run(*inside, *command, environment=stage.variables | pip)
    finally:
        for path in reversed(mounted):
            run("umount", str(stage.root / path.lstrip("/")))


def pip_folders() -> list[str]:
    """Return the folders with packages that the settings of pip name."""
    shown = run(sys.executable, "-m", "pip", "config", "list")
    named = re.findall(r"(?:file://|find-links='?)(/[^\s']+)", shown)
    return list(dict.fromkeys(str(Path(*Path(folder).parts[:3])) for folder in named))


def use(stage: Stage, folder: Path) -> None:
    """Start the command as a container does, check its health, scan, and end it."""
    root, (volume,) = stage.root, stage.volumes
    data = folder / "data"
    fill(data)
    for path in (data, *data.rglob("*")):
        os.chown(path, int(stage.user), int(stage.user))
    run("mount", "--bind", str(root), str(root))
    run("mount", "--bind", str(data), str(root / volume.lstrip("/")))
    run("mount", "-t", "tmpfs", "tmpfs", str(root / "tmp"))
    run("mount", "-o", "remount,bind,ro", str(root))
    variables = stage.variables | {"MARKETSWEEP_TOKEN": TOKEN}
    inside = [CHROOT, f"--userspec={stage.user}:{stage.user}", str(root)]
    refused = start(inside, stage.command, variables)
    _, errors = refused.communicate(timeout=PATIENCE_S)
    expect(refused.returncode == 2 and "MASSIVE_API_KEY" in errors, errors)
    print("without a key it ends and says so: ok")
    server = start(inside, stage.command, variables | {"MASSIVE_API_KEY": "none"})
    try:
        wait_until_healthy(inside, stage.health, variables)
        answer = json.loads(run(*inside, "python3", "-c", ASK, environment=variables))
        expect(answer == {"matches": 9, "without": 401}, str(answer))
        print("it is healthy, and scans for its token alone: ok")
    finally:
        server.terminate()
        _, errors = server.communicate(timeout=PATIENCE_S)
    expect(server.returncode == 0 and "Traceback" not in errors, errors)
    print("SIGTERM ends it cleanly: ok")


def unmount_all(folder: Path) -> None:
    """Unmount what lies below a folder. Ends at once if something stays: it must not be deleted."""
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{folder}/"):
            subprocess.run(["umount", line.split()[1]], check=False)
    if f" {folder}/" in Path("/proc/mounts").read_text():
        print(f"{folder} has mounts that cannot be removed: it stays", file=sys.stderr)
        os._exit(1)


def fill(data: Path) -> None:
    """Fill a volume with the example market."""
    market = ROOT / "examples" / "us-2016"
    files = [f"--{name}={market / file}.parquet" for name, file in FILES.items()]
    run(str(ROOT / ".venv/bin/marketsweep"), "sync", "--provider=files", *files, f"--data={data}")


def start(
    inside: list[str], command: list[str], environment: dict[str, str]
) -> subprocess.Popen[str]:
    """Start a command in a stage."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*inside, *command], env=environment, stdout=pipe, stderr=pipe, text=True
    )


def expect(holds: bool, text: str) -> None:
    """Exit with a text unless something holds."""
    if not holds:
        sys.exit(f"the container does not do what it must: {text}")


def wait_until_healthy(inside: list[str], health: list[str], environment: dict[str, str]) -> None:
    """Wait for the health check to pass."""
    until = time.monotonic() + PATIENCE_S
    while subprocess.run(
        [*inside, *health], env=environment, capture_output=True, check=False
    ).returncode:
        if time.monotonic() > until:
            sys.exit("it did not become healthy")
        time.sleep(0.5)


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """Return the output of a command. Exits with all of it if the command fails."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode:
        sys.exit(f"{shlex.join(command)[:300]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
