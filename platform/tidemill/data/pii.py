"""Finding personal data in text: where each kind begins and ends."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from string import ascii_uppercase
from typing import Any

from tidemill.errors import MissingExtra

Span = tuple[int, int]

REGIONS = ("US", "GB")
"""Where a phone number without a country code is dialled from."""

_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_GAPS = " \u00a0\u2009\u202f.\u2010\u2011\u2012\u2013-"
"""What stands between the groups of a number: spaces that do not break, dots and dashes as well."""
_GAP = f"[{_GAPS}]"
_DIGITS = re.compile(rf"(?<!\d)\d(?:{_GAP}?\d){{11,}}(?!\d)")
_GROUP = re.compile(r"\d+")
_CARD = re.compile(r"\d{12,19}|\d{4} \d{4} \d{4} \d{1,4}( \d{3})?|\d{4} \d{6} \d{4,5}")
"""How a card is written among other numbers."""
_IBAN = re.compile(rf"(?<![A-Za-z0-9])(?=([A-Za-z]{{2}}\d{{2}}(?:{_GAP}?[A-Za-z0-9]){{11,30}}))")
_NO_GAPS = dict.fromkeys(map(ord, _GAPS))
_VALUES = {ord(letter): str(int(letter, 36)) for letter in ascii_uppercase}
"""What the letters of an IBAN count for (ISO 13616)."""
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses."""
    if "@" in text:
        yield from (match.span() for match in _EMAIL.finditer(text))


def cards(text: str) -> Iterator[Span]:
    """Payment card numbers: 12 to 19 digits that begin like a card and whose checksum holds.

    Other numbers may stand right before or after one, such as its expiry date; among them it is
    found where its digits are grouped as on a card.
    """
    for match in _DIGITS.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *match.span())]
        for first in range(len(groups)):
            last = _card_from(text, groups, first)
            if last is not None:
                yield groups[first][0], groups[last][1]


def _card_from(text: str, groups: Sequence[Span], first: int) -> int | None:
    """The last group of the longest card that begins with a group; None where none does."""
    match = None
    complete = (
        first == 0 and "." not in text[groups[0][0] : groups[-1][1]]
    )  # a decimal number is none
    digits, shape = "", list[str]()
    for last in range(first, len(groups)):
        shape.append(text[slice(*groups[last])])
        digits += shape[-1]
        if len(digits) > 19:
            break
        alone = complete and last == len(groups) - 1
        if (alone or _CARD.fullmatch(" ".join(shape))) and _is_card(digits):
            match = last
    return match


def _is_card(digits: str) -> bool:
    """Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro (ISO 7812)."""
    begins = digits[0] in "3456" or (len(digits) == 16 and "2221" <= digits[:4] <= "2720")
    return begins and len(digits) >= 12 and bool(_stdnum().luhn.is_valid(digits))


def ibans(text: str) -> Iterator[Span]:
    """International bank account numbers whose checksum holds, whatever stands before them."""
    for match in _IBAN.finditer(text):
        start, stop = match.span(1)
        for end in range(stop, start + 14, -1):
            if text[end - 1].isalnum() and _is_iban(text[start:end]):
                yield start, end
                break


def _is_iban(text: str) -> bool:
    plain = text.translate(_NO_GAPS).upper()
    if int((plain[4:] + plain[:4]).translate(_VALUES)) % 97 != 1:  # most end here, and soon
        return False
    return bool(_stdnum().iban.is_valid(plain, check_country=False))


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
