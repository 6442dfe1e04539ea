"""The settings: defaults (``moorage.yaml``), their schema, and the code that asks for them say the same."""

import re
from datetime import timedelta
from pathlib import Path

import dask
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError, validate

from moorage import config
from moorage.errors import InputError

PACKAGE = Path(config.__file__).parent
TEXT = (PACKAGE / "moorage.yaml").read_text()
DEFAULTS = yaml.safe_load(TEXT)
SCHEMA = yaml.safe_load((PACKAGE / "moorage-schema.yaml").read_text())


def leaves(defaults, path=""):
    """The paths of all settings below ``moorage.``."""
    for name, value in defaults.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def described(schema, path=""):
    for name, about in schema["properties"].items():
        if "description" in about:
            assert about["description"].strip().endswith(".")
            yield f"{path}{name}"
        else:
            yield from described(about, f"{path}{name}.")


def asked_for():
    sources = [path for path in PACKAGE.rglob("*.py") if "labextension" not in path.parts]
    texts = [path.read_text(encoding="utf-8") for path in sources]
    text = "\n".join(text for text in texts if re.search(r"^from moorage import .*config", text, re.MULTILINE))
    return set(re.findall(r'(?<!dask\.)config\.(?:get|seconds)\(\s*"([a-z.-]+)"', text))


def test_the_schema_describes_each_setting_and_no_other():
    assert list(described(SCHEMA["properties"]["moorage"])) == list(leaves(DEFAULTS["moorage"]))


def test_the_defaults_are_valid():
    Draft202012Validator.check_schema(SCHEMA)
    validate(DEFAULTS, SCHEMA)


def test_the_code_asks_for_each_setting_and_no_other():
    assert asked_for() == set(leaves(DEFAULTS["moorage"]))


def test_each_setting_has_a_comment():
    lines = [line for line in TEXT.splitlines() if not line.endswith(":")]
    assert [line for line in lines if "# " not in line] == []


@pytest.mark.parametrize(
    "wrong", [{"wait-timout": "1s"}, {"read-only": "yes"}, {"cluster": {"factory": {"module": "dask_jobqueue"}}}]
)
def test_what_is_wrong_is_found(wrong):
    with pytest.raises(ValidationError):
        validate({"moorage": wrong}, SCHEMA)


def test_a_duration_that_is_none_is_refused_by_name():
    with dask.config.set({"moorage.wait-timeout": "soon"}), pytest.raises(InputError, match=r"moorage\.wait-timeout"):
        config.seconds("wait-timeout")


@pytest.mark.parametrize(
    "value", [-1, "-3s", True, float("nan"), float("inf"), 1e300, "", "soon", [], {}, b"5s", 5j, timedelta(seconds=-1)]
)
def test_what_is_no_duration_is_refused(value):
    with pytest.raises(InputError, match=re.escape(f"{value!r} is not a duration (timeout)")):
        config.limit(value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (2.5, 2.5), ("2 minutes", 120), ("500ms", 0.5), (timedelta(hours=1), 3600), (None, None)],
)
def test_a_duration_is_as_dask_writes_it(value, seconds):
    assert config.limit(value) == seconds
