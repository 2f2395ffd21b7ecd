"""The spec's expectations, judged by Great Expectations in one validation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict, TypeGuard

from tidemill.data.rows import columns_of
from tidemill.errors import DataError, MissingExtra, suggest
from tidemill.rows import DatasetRow
from tidemill.spec.dataset import Expectation

_PLACE = "tidemill_place"
Classes = Mapping[str, Callable[..., Any]]
"""Great Expectations' classes by the names that specs use."""


class _Details(TypedDict, total=False):
    unexpected_index_list: Sequence[object]
    observed_value: object


class _Judgement(TypedDict):
    """What Great Expectations says of one expectation."""

    success: bool
    result: _Details
    exception_info: Mapping[str, object]


@dataclass(frozen=True)
class ExpectationResult:
    """The result of one expectation."""

    expectation: Expectation
    name: str
    """Its name in Great Expectations with the column it is about."""
    passed: bool
    """Whether it holds, `mostly` counted in."""
    message: str
    failing: tuple[int, ...] = ()
    """Places of the rows that do not meet it, whether or not `mostly` allows them."""
    observed: Any = None
    """The observed value where no single row is at fault (a count, a mean)."""

    @property
    def blocks(self) -> bool:
        """Whether it stops the line."""
        return not self.passed and self.expectation.severity == "error"


def validate_rows(
    rows: Sequence[DatasetRow], expectations: Sequence[Expectation]
) -> list[ExpectationResult]:
    """One outcome per expectation, in the spec's order."""
    if not expectations:
        return []
    with _quiet():
        gx, classes = _library()
        import pandas as pd

        built = [_build(classes, index, item) for index, item in enumerate(expectations)]
        frame = pd.DataFrame([columns_of(row) for row in rows])
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = _no_bars()
        batch = context.data_sources.pandas_default.read_dataframe(frame)
        suite = gx.ExpectationSuite(name="tidemill", expectations=built)
        report = batch.validate(
            suite,
            result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
        )
        results = [result.to_json_dict() for result in report.results]
    by_index = {int(result["expectation_config"]["meta"][_PLACE]): result for result in results}
    return [_outcome(item, by_index[i], len(rows)) for i, item in enumerate(expectations)]


def expectation_label(expectation: Expectation) -> str:
    """`expect_column_values_to_be_in_set(label)`."""
    arguments = expectation.arguments
    pair = [arguments[name] for name in ("column_A", "column_B") if name in arguments]
    about = arguments.get("column") or ", ".join(
        str(column) for column in arguments.get("column_list", ()) or pair
    )
    return f"{expectation.type}({about})" if about else expectation.type


def _build(known: Classes, place: int, expectation: Expectation) -> Any:
    kind = known.get(expectation.type)
    if kind is None:
        raise DataError(
            f"expectations[{place}]: Great Expectations has no '{expectation.type}'; "
            f"{suggest(expectation.type, sorted(known))}"
        )
    try:
        return kind(**expectation.arguments, meta={_PLACE: place})
    except (ValueError, TypeError) as error:
        raise DataError(
            f"expectations[{place}]: {expectation.type} cannot be built: {_first(error)}; its "
            "arguments are in the Great Expectations gallery"
        ) from error


def _first(error: Exception) -> str:
    lines = str(error).splitlines()[1:] or [str(error)]
    return " ".join(line.strip() for line in lines[:2])


def _outcome(expectation: Expectation, found: _Judgement, total: int) -> ExpectationResult:
    name = expectation_label(expectation)
    result = found["result"]
    if not result:
        reason = _exception(found["exception_info"])
        if reason:
            return ExpectationResult(
                expectation, name, False, f"{name}: could not be judged: {reason}"
            )
    failing = tuple(
        index for index in result.get("unexpected_index_list") or () if _is_place(index)
    )
    met = bool(found["success"])
    observed = result.get("observed_value")
    if failing:
        message = f"{name}: {len(failing)} of {total} rows fail"
        if expectation.mostly is not None:
            message += (
                f"; {total - len(failing)} of {total} do, {expectation.mostly:.1%} are needed"
            )
    else:
        message = f"{name}: {'holds' if met else 'does not hold'}"
        message += f" (saw {observed})" if observed is not None else ""
    return ExpectationResult(expectation, name, met, message, failing, observed)


def _is_place(value: object) -> TypeGuard[int]:
    return isinstance(value, int)


def _exception(info: Mapping[str, object]) -> str:
    reports = [info, *(report for report in info.values() if isinstance(report, Mapping))]
    return next(
        (str(report["exception_message"]) for report in reports if report.get("exception_message")),
        "",
    )


def _library() -> tuple[Any, Classes]:
    """The package, and its expectations by the names specs use."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        import great_expectations as gx
        import great_expectations.expectations as catalogue
    except ImportError as error:
        raise MissingExtra("great_expectations", "data") from error
    classes = (getattr(catalogue, name) for name in dir(catalogue) if name.startswith("Expect"))
    return gx, {
        expectation.expectation_type: expectation
        for expectation in classes
        if hasattr(expectation, "expectation_type")
    }


def _no_bars() -> Any:
    from great_expectations.data_context.types.base import ProgressBarsConfig

    return ProgressBarsConfig(globally=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Its deprecation warnings are for its own developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
