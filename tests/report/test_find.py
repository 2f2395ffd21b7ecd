"""What a name means: a release, a service, a spec."""

from __future__ import annotations

import shutil

import pytest
from tests.report.homes import FILES, go_live, release

from tidemill.errors import SpecError, TidemillError, UnknownName
from tidemill.home import Home
from tidemill.report.resolve_name import resolve_name


def test_a_service_means_its_live_release_else_its_newest(home: Home) -> None:
    first, second = release(home, "first"), release(home, "second")

    assert resolve_name(home, "desk").release == second
    go_live(home, first)
    assert resolve_name(home, "desk").release == first
    assert resolve_name(home, "shop/canary").release == first


def test_a_release_goes_by_a_beginning_of_its_digest(home: Home) -> None:
    first = release(home)

    assert resolve_name(home, first.digest).release == first
    assert resolve_name(home, first.digest[7:19]).release == first


def test_a_dataset_goes_by_its_name_with_or_without_its_project(home: Home) -> None:
    assert (
        resolve_name(home, "shop/rows").dataset
        == resolve_name(home, "rows").dataset
        == ("shop", "rows")
    )


def test_a_service_without_a_release_says_how_to_make_one(home: Home) -> None:
    with pytest.raises(
        TidemillError, match="'desk' has no release yet; create one with `tidemill run`"
    ):
        resolve_name(home, "desk")


def test_an_unknown_name_gets_the_nearest(home: Home) -> None:
    with pytest.raises(UnknownName, match="did you mean 'desk'"):
        resolve_name(home, "deks")
    with pytest.raises(UnknownName, match="did you mean 'shop/rows'"):
        resolve_name(home, "shop/row")


def test_a_report_is_of_a_release_and_of_no_dataset(home: Home) -> None:
    with pytest.raises(UnknownName, match="no release or service is called 'rows'"):
        resolve_name(home, "rows", datasets=False)


def test_a_release_can_be_found_while_the_specs_are_broken(home: Home) -> None:
    record = release(home)
    (home.settings.specs / "shop" / "broken.yaml").write_text("kind: [")

    broken = Home(home.settings)
    assert resolve_name(broken, "desk").release == record
    with pytest.raises(SpecError, match=r"broken\.yaml"):
        resolve_name(broken, "rows")


def test_a_name_that_several_projects_have_is_asked_about(home: Home) -> None:
    shutil.copytree(home.settings.specs / "shop", home.settings.specs / "other")
    other = home.settings.specs / "other" / "rollout.yaml"
    other.write_text(FILES["rollout.yaml"].replace("desk", "counter"))

    with pytest.raises(UnknownName, match="no single spec is called 'rows'"):
        resolve_name(Home(home.settings), "rows")
