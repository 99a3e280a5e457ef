"""The files that deploy marketsweep say what the program understands, and agree with each other."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from marketsweep.cli.main import main

ROOT: Final = Path(__file__).parent.parent.parent
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()
UNITS: Final = sorted((ROOT / "deploy").glob("*.service"))


def loaded(name: str) -> Any:  # noqa: ANN401, what YAML may hold
    return yaml.safe_load((ROOT / name).read_text())


def commands() -> dict[str, list[str]]:
    """The command lines of all files, without the name of the program."""
    image = json.loads(re.findall(r"^CMD (.*)", DOCKERFILE, re.MULTILINE)[-1])
    shell = shlex.split(loaded("render.yaml")["services"][0]["dockerCommand"])[2]
    lines = {"Dockerfile": image, "render.yaml": shlex.split(shell.removeprefix("exec "))}
    for unit in UNITS:
        lines[unit.name] = shlex.split(
            re.findall("^ExecStart=(.*)", unit.read_text(), re.MULTILINE)[0]
        )
    return lines


@pytest.mark.parametrize(("file", "line"), commands().items())
def test_every_command_line_is_one_that_the_program_understands(file: str, line: list[str]) -> None:
    program, name, *arguments = line
    assert Path(program).name == "marketsweep", file
    context = main.make_context("marketsweep", ["--help"], resilient_parsing=True)
    command = main.get_command(context, name)
    assert command is not None
    parsed = command.make_context(name, arguments)
    assert parsed.params.get("syncs", parsed.params.get("keep_on")), "nothing would sync"


def test_all_files_have_the_data_in_the_same_place() -> None:
    variables = dict(
        re.findall(r"(\w+)=(\S+)", re.findall("^ENV (.*)", DOCKERFILE, re.MULTILINE)[0])
    )
    volume = re.findall("^VOLUME (.*)", DOCKERFILE, re.MULTILINE)[0]
    service = loaded("deploy/compose.yaml")["services"]["marketsweep"]
    render = loaded("render.yaml")["services"][0]
    places = {volume, variables["MARKETSWEEP_DATA"], render["disk"]["mountPath"]}
    assert places | {mount.split(":")[1] for mount in service["volumes"]} == {"/data"}


def test_all_files_have_the_same_port_and_the_health_check() -> None:
    port = re.findall("^EXPOSE (.*)", DOCKERFILE, re.MULTILINE)
    service = loaded("deploy/compose.yaml")["services"]["marketsweep"]
    render = loaded("render.yaml")["services"][0]
    variables = {row["key"]: row.get("value") for row in render["envVars"]}
    ports = [mapping.rpartition(":")[2] for mapping in service["ports"]]
    (option,) = (o for o in main.get_command(None, "serve").params if o.name == "port")  # type: ignore[arg-type, union-attr]
    assert port == ports == [str(variables["PORT"])] == [str(option.default)]
    assert f"127.0.0.1:{option.default}{render['healthCheckPath']}" in DOCKERFILE


def test_no_file_has_a_secret() -> None:
    service = loaded("deploy/compose.yaml")["services"]["marketsweep"]
    assert all(value.startswith("${") for value in service["environment"].values())
    for row in loaded("render.yaml")["services"][0]["envVars"]:
        assert row["key"] == "PORT" or "value" not in row


def test_the_container_may_do_little() -> None:
    service = loaded("deploy/compose.yaml")["services"]["marketsweep"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert re.findall("^USER (.*)", DOCKERFILE, re.MULTILINE) not in ([], ["root"], ["0"])
    assert all(mapping.startswith("127.0.0.1:") for mapping in service["ports"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_units(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = unit.read_text().replace("/opt/marketsweep/bin/marketsweep", shutil.which("true") or "")
    copy = tmp_path / unit.name
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def run(*command: str) -> str:
    """Return what a checker complains of, or nothing."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": tools}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    return done.stdout + done.stderr if done.returncode else ""


SCHEMAS: Final = {
    "deploy/compose.yaml": "vendor.compose-spec",
    **{
        str(path.relative_to(ROOT)): "vendor.github-workflows"
        for path in (ROOT / ".github/workflows").glob("*.yml")
    },
}


@pytest.mark.parametrize(("file", "schema"), SCHEMAS.items())
def test_files_agree_with_the_published_schemas(file: str, schema: str) -> None:
    assert run("check-jsonschema", "--builtin-schema", schema, file) == ""


def test_an_unknown_field_does_not_agree_with_the_published_schema(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    text = (ROOT / "deploy/compose.yaml").read_text()
    wrong.write_text(text.replace("read_only:", "readonly:"))
    assert "readonly" in run(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)
    )


def test_hadolint_accepts_the_dockerfile() -> None:
    if not shutil.which("hadolint", path=str(Path(sys.executable).parent)):
        pytest.skip("hadolint has no package for this machine")
    assert run("hadolint", "Dockerfile") == ""
