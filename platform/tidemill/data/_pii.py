"""Finding personal data in text: where each kind begins and ends."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tidemill.errors import MissingExtra

Span = tuple[int, int]

REGIONS = ("US", "GB")
"""Where a phone number without a country code is dialled from."""

_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses."""
    if "@" in text:
        yield from (match.span() for match in _EMAIL.finditer(text))


def cards(text: str) -> Iterator[Span]:
    """Payment card numbers: 12 to 19 digits that begin like a card and whose checksum holds."""
    for match in _DIGITS.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if digits[0] in "3456" and _stdnum().luhn.is_valid(digits):
            yield match.span()


def ibans(text: str) -> Iterator[Span]:
    """International bank account numbers whose checksum holds."""
    for match in _IBAN.finditer(text):
        for end in range(match.end(), match.start() + 14, -1):
            if text[end - 1] != " " and _stdnum().iban.is_valid(
                text[match.start() : end], check_country=False
            ):
                yield match.start(), end
                break


def addresses(text: str) -> Iterator[Span]:
    """IP addresses, version 4 and 6."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            if any(character.isdigit() for character in match[0]) and _is_address(match[0]):
                yield match.span()


def phones(text: str) -> Iterator[Span]:
    """Phone numbers that are valid with their country code, or in one of REGIONS without."""
    if sum(character.isdigit() for character in text) < 7:
        return
    library = _phonenumbers()
    for region in (None, *REGIONS) if "+" in text else REGIONS:
        for match in library.PhoneNumberMatcher(text, region):
            yield match.start, match.end


FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "email": emails,
    "iban": ibans,
    "card": cards,
    "ip": addresses,
    "phone": phones,
}
"""In this order: what an earlier one took, a later one does not see."""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@cache
def _stdnum() -> Any:
    try:
        import stdnum.iban
        import stdnum.luhn
    except ImportError as error:
        raise MissingExtra("python-stdnum", "data") from error
    return stdnum


@cache
def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError as error:
        raise MissingExtra("phonenumbers", "data") from error
    return phonenumbers
