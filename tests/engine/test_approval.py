"""Who may agree: on the list, not the author, signed where asked for, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.approval import Identity, refusal_reason
from tidemill.spec.trigger import ApprovalRule

ANN = Identity("ann@shop.example", "signed", "Ann", "SHA256:abc")
people = st.builds(
    Identity,
    principal=st.sampled_from(["ann@x", "bob@x", "Ann@X"]),
    method=st.sampled_from(["signed", "unsigned", "merge"]),
    name=st.sampled_from(["", "ann", "bob"]),
    fingerprint=st.sampled_from(["", "SHA256:abc"]),
)
lists = st.lists(st.sampled_from(["ann@x", "bob@x", "ann", "Bob <bob@x>"]), max_size=3)


def test_anybody_may_approve_where_no_list_says_otherwise() -> None:
    assert refusal_reason(ANN, None) is None
    assert refusal_reason(ANN, ApprovalRule()) is None


@pytest.mark.parametrize("entry", ["ann@shop.example", "ANN@shop.example", "A <ann@shop.example>"])
def test_a_list_means_addresses_without_case(entry: str) -> None:
    assert refusal_reason(ANN, ApprovalRule(by=("x@y", entry))) is None


def test_somebody_who_is_not_on_the_list_is_told_who_is() -> None:
    why = refusal_reason(ANN, ApprovalRule(by=("bob@shop.example", "eve")))

    assert why == "ann@shop.example may not approve; allowed: bob@shop.example, eve"


def test_a_name_anybody_can_set_counts_for_nothing_beside_a_signature() -> None:
    mallory = Identity("mallory@x", "signed", "ann", "SHA256:evil")

    assert refusal_reason(mallory, ApprovalRule(by=("ann",))) is not None
    assert refusal_reason(Identity("a@x", "unsigned", "ann"), ApprovalRule(by=("ann",))) is None


def test_the_author_may_not_approve_where_the_policy_says_so() -> None:
    strict, lax = ApprovalRule(not_by_author=True), ApprovalRule()
    authors = ["Ann Lee <ANN@shop.example>"]

    assert "wrote the change" in str(refusal_reason(ANN, strict, authors=authors))
    assert refusal_reason(ANN, lax, authors=authors) is None
    assert refusal_reason(ANN, strict, authors=["bob@shop.example"]) is None


def test_where_nobody_knows_the_author_nobody_may_approve_past_that_policy() -> None:
    assert "author of the change is unknown" in str(
        refusal_reason(ANN, ApprovalRule(not_by_author=True), authors=None)
    )
    assert refusal_reason(ANN, ApprovalRule(), authors=None) is None


def test_once_is_enough() -> None:
    assert (
        refusal_reason(ANN, None, earlier_principals=["Ann@shop.example"])
        == "ann@shop.example already approved it"
    )


def test_nobody_is_no_approver() -> None:
    assert "user.email" in str(refusal_reason(Identity(""), None))


@given(people, lists, lists, lists, st.booleans(), st.booleans())
def test_asking_for_more_never_lets_more_people_in(
    who: Identity, by: list[str], authors: list[str], given_: list[str], strict: bool, sign: bool
) -> None:
    asked = refusal_reason(
        who,
        ApprovalRule(by=tuple(by), not_by_author=strict),
        authors=authors,
        earlier_principals=given_,
        signatures=sign,
    )

    if asked is None:
        assert refusal_reason(who, ApprovalRule(by=tuple(by))) is None
        assert refusal_reason(who, None) is None
        assert who.is_signed or not sign
        assert not by or any(who.matches(entry) for entry in by)
        assert not strict or not any(who.matches(author) for author in authors)


@given(people)
def test_a_signature_that_is_asked_for_is_always_needed(who: Identity) -> None:
    assert (refusal_reason(who, None, signatures=True) is None) == (
        who.method != "unsigned" and who.fingerprint != ""
    )
