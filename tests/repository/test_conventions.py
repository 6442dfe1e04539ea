"""Files that say the same thing for different readers: versions, requirements, addresses, commands, floors."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import moorage

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SCRIPTS = json.loads((ROOT / "package.json").read_text())["scripts"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
RECIPE = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def floors():
    """The oldest version of each package that moorage or its notebooks need, by name."""
    needed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["demo"]]
    return {re.match(r"[\w-]+", one)[0]: re.search(r">=([\d.]+)", one)[1] for one in needed}


def test_there_is_one_version():
    assert CITATION["version"] == RECIPE["context"]["version"] == moorage.__version__


def test_there_is_one_licence_and_one_address():
    assert CITATION["license"] == RECIPE["about"]["license"] == PROJECT["license"]
    home = PROJECT["urls"]["Repository"]
    assert CITATION["repository-code"] == RECIPE["about"]["repository"] == home
    assert all(url.startswith(home) for url in PROJECT["urls"].values())


def test_conda_needs_what_pip_needs():
    needed = [f"python {PROJECT['requires-python']}", *PROJECT["dependencies"]]
    assert RECIPE["requirements"]["run"] == [re.sub(r"\s*>=", " >=", one) for one in needed]


def test_the_table_of_compatibility_has_the_floors():
    table = (ROOT / "docs" / "reference" / "compatibility.md").read_text()
    oldest = dict(re.findall(r"^\| (\w+)[\w, ]* \| ([\d.]+) \|", table, re.MULTILINE))
    assert oldest.pop("Python") == PROJECT["requires-python"].removeprefix(">=")
    assert len(oldest) == 6
    assert oldest == {name: floors()[name.lower()] for name in oldest}


def commands():
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            steps = [step["run"] for step in job.get("steps", ()) if "run" in step]
            rows = [row["run"] for row in job.get("strategy", {}).get("matrix", {}).get("include", ())]
            yield from [*steps, *rows]


def test_workflows_run_commands_that_there_are():
    run = [match[1] for command in commands() for match in re.finditer(r"npm (?:run )?([\w:]+)", command)]
    assert {"lint", "test", "test:oldest", "test:newest", "docs"} <= set(run) <= set(SCRIPTS)


def test_workflows_call_workflows_that_there_are():
    called = {job["uses"] for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() if "uses" in job}
    assert called
    assert [path for path in called if not (ROOT / path).exists()] == []


def test_workflows_test_each_python_of_the_lock_file():
    rows = WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["include"]
    locked = {row["python"] for row in rows if row["run"] == "npm test"}
    pythons = re.search(r"const PYTHONS = \[(.*?)\]", (ROOT / ".ci" / "environments.mjs").read_text())
    assert locked == set(re.findall(r"python([\d.]+)", pythons[1]))


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[bw]*.yml")), ids=lambda path: path.stem
)
def test_an_issue_template_asks_for_something(path):
    template = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= set(template)
    assert all(part["attributes"]["label"] for part in template["body"])
