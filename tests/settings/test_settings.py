"""The environment's variables: typed once, refused by name, never silent, never shown if secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from tidemill.errors import SettingsError
from tidemill.settings import ForgeSettings, Settings, SubjectSettings
from tidemill.settings.variables import unknown_variables, values, variables

ROOT = Path(__file__).parents[2]
SECRETS = {
    "TIDEMILL_SUBJECT_KEY": "hush-1",
    "TIDEMILL_KAFKA_USERNAME": "shop",
    "TIDEMILL_KAFKA_PASSWORD": "hush-2",
    "TIDEMILL_FORGE_TOKEN": "hush-3",
    "TIDEMILL_REFLECTION_MODEL": "big",
    "TIDEMILL_REFLECTION_URL": "http://127.0.0.1:1/v1",
    "TIDEMILL_REFLECTION_KEY": "hush-4",
    "TIDEMILL_LEDGER_URL": "postgresql://ada:hush-5@db/tidemill",
    "TIDEMILL_GIT_REMOTE": "https://ada:hush-6@git.example/shop",
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "TIDEMILL_GATEWAY_PORT",
            "abc",
            "is 'abc', not a port from 1 to 65535; correct it, or unset it for 8600",
        ),
        (
            "TIDEMILL_BROKER_PORT",
            "70000",
            "is '70000', not a port from 1 to 65535; correct it, or unset it for 8602",
        ),
        (
            "TIDEMILL_PRICE_PER_HOUR",
            "cheap",
            "is 'cheap', not a price of 0 or more, such as 1.20; correct it, or unset it",
        ),
        (
            "TIDEMILL_PRICE_PER_HOUR",
            "inf",
            "is 'inf', not a finite price of 0 or more; correct it, or unset it",
        ),
        ("TIDEMILL_SIGNATURES", "requird", "is 'requird'; did you mean 'require'?"),
        ("TIDEMILL_SIGNATURES", "1", "is '1'; there are: off, require"),
        ("TIDEMILL_FORGE", "gihub", "is 'gihub'; did you mean 'github'?"),
        (
            "TIDEMILL_GIT_FOLDER",
            "../up",
            "is '../up', not a path inside the repository; correct it, or unset it for specs",
        ),
        ("TIDEMILL_DEBUG", "a\nb", "is 'a b', not 1 or 0; correct it, or unset it"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_variable_and_the_way_out(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({name: value})

    assert str(caught.value) == f"{name} {message}"


def test_all_that_is_wrong_comes_at_once() -> None:
    wrong = {"TIDEMILL_DAGSTER_PORT": "x", "TIDEMILL_FORGE": "x", "TIDEMILL_KAFKA_CERT_FILE": "/x"}

    with pytest.raises(SettingsError) as caught:
        Settings.read(wrong)

    assert [problem.split()[0] for problem in caught.value.problems] == list(wrong)


def test_no_secret_shows_in_a_text_of_the_settings() -> None:
    settings = Settings.read(SECRETS)

    assert "hush" not in f"{settings} {settings!r} {values(settings)}"
    assert values(settings)["TIDEMILL_KAFKA_PASSWORD"] == "set"
    assert values(settings)["TIDEMILL_LEDGER_URL"] == "postgresql://ada:***@db/tidemill"
    assert settings.subject_key == b"hush-1"


def test_an_empty_variable_counts_as_unset() -> None:
    empty = dict.fromkeys((variable.name for variable in variables()), "")

    assert Settings.read(empty) == Settings.read({})


def test_our_own_variable_wins_over_another_tools() -> None:
    both = {"TIDEMILL_FORGE_TOKEN": "ours", "GITHUB_TOKEN": "theirs", "CI_PROJECT_ID": "7"}
    forge = ForgeSettings.read(both)

    assert (forge.github.token, forge.gitlab.token) == (SecretStr("ours"), SecretStr("ours"))
    assert (forge.github.repository, forge.gitlab.repository) == ("", "7")


def test_settings_that_are_made_in_code_do_not_read_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEMILL_SUBJECT_KEY", "from-outside")
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", "abc")

    assert Settings(specs=Path("specs")).gateway_port == 8600
    assert SubjectSettings().subject_key is None


def test_a_client_reads_its_key_whatever_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_SUBJECT_KEY", "k")
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", "abc")

    assert SubjectSettings.read().subject_key == b"k"


def test_a_variable_that_is_no_setting_is_named_with_the_nearest_one() -> None:
    environ = {
        "TIDEMILL_GATEWAY_PRT": "1",
        "TIDEMILL_HOME": "x",
        "TIDEMILL_WEATHER": "",
        "PATH": "",
    }

    assert unknown_variables(environ) == [
        "TIDEMILL_GATEWAY_PRT is no setting; did you mean TIDEMILL_GATEWAY_PORT?",
        "TIDEMILL_WEATHER is no setting and has no effect; see `tidemill settings`",
    ]


def test_every_variable_says_what_it_means_and_is_in_the_tables_of_infra() -> None:
    tables = "".join(
        (ROOT / path).read_text() for path in ("infra/README.md", "infra/ci/README.md")
    )
    ours = [variable for variable in variables() if variable.name.startswith("TIDEMILL_")]

    assert len(ours) > 30
    assert [v.name for v in variables() if not v.meaning.endswith(".")] == []
    assert [v.name for v in ours if f"`{v.name}`" not in tables] == []


def test_the_docs_and_infra_name_only_variables_that_exist() -> None:
    known = {v.name for v in variables()} | {"TIDEMILL_VERSION"}  # the CI templates' own
    files = [
        path
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / "infra").rglob("*")]
        if path.is_file() and path.suffix in {".md", ".yaml", ".yml", ".Containerfile"}
    ]
    named = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        if path.name not in ("CHANGELOG.md", "CONTRIBUTING.md")
        for name in re.findall(r"TIDEMILL_[A-Z][A-Z_]*[A-Z]", path.read_text())
        if name not in known
    }

    assert len(files) > 10
    assert named == set()


def test_nothing_but_the_settings_reads_a_variable_of_ours() -> None:
    reads = re.compile(r"""(?:environ(?:\.get)?|getenv)[\[(]\s*["']TIDEMILL_""")
    sources = [*(ROOT / "platform").rglob("*.py"), *(ROOT / "assets").rglob("*.py")]

    assert [str(path) for path in sources if reads.search(path.read_text())] == []
