"""Great Expectations judges the spec's expectations and names the rows."""

from __future__ import annotations

import pytest

from tidemill.data.expectations import validate_rows
from tidemill.errors import DataError
from tidemill.spec.dataset import Expectation

ROWS = [{"text": text, "label": label} for text, label in zip("abcd", "xxyz", strict=True)]


def test_each_outcome_names_its_rows_and_obeys_mostly_and_severity() -> None:
    in_set = {"type": "expect_column_values_to_be_in_set", "column": "label"}
    wanted = [
        Expectation.model_validate({**in_set, "value_set": ["x", "y"]}),
        Expectation.model_validate({**in_set, "value_set": ["x", "y"], "mostly": 0.7}),
        Expectation.model_validate({**in_set, "value_set": ["x"], "severity": "warning"}),
        Expectation.model_validate(
            {"type": "expect_table_row_count_to_be_between", "min_value": 10}
        ),
        Expectation.model_validate(
            {"type": "expect_column_values_to_not_be_null", "column": "nope"}
        ),
    ]
    strict, mostly, warning, count, missing = validate_rows(ROWS, wanted)

    assert (strict.passed, strict.failing, strict.blocks) == (False, (3,), True)
    assert (mostly.passed, mostly.failing, mostly.blocks) == (True, (3,), False)
    assert (warning.passed, warning.failing, warning.blocks) == (False, (2, 3), False)
    assert (count.passed, count.observed, count.blocks) == (False, 4, True)
    assert missing.blocks
    assert "nope" in missing.message
    assert strict.message == ("expect_column_values_to_be_in_set(label): 1 of 4 rows fail")


def test_an_unknown_expectation_and_wrong_arguments_name_the_way_out() -> None:
    with pytest.raises(DataError, match=r"expectations\[0\]: .* did you mean 'expect_column_v"):
        validate_rows(ROWS, [Expectation(type="expect_column_value_to_not_be_null")])
    with pytest.raises(DataError, match=r"cannot be built: .*column"):
        validate_rows(ROWS, [Expectation(type="expect_column_values_to_not_be_null")])
