"""The filter language of OpenCost's Allocation API. Pure.

Source: OpenCost, `core/pkg/filter/ast` (grammar of its "V2" filters):

    filter     = element (("+" | "|") element)*      one of the two within a pair of brackets
    element    = comparison | "(" filter ")"
    comparison = field operator value ("," value)*   field["key"]: label[app]
    operator   = ":" | "~:" | "<~:" | "~>:"          is, contains, begins with, ends with
                 each after "!" for its contrary

Several values are alternatives; after "!" none of them may fit. What is not understood is refused
rather than ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from console.billing.allocation.keys import BadKey, Key, key_of

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<field>[A-Za-z]+(?:\[[^\]"]+\])?)(?P<operator>!?(?::|~:|<~:|~>:))(?P<first>"[^"]*")
        | (?P<more>,\s*"[^"]*")
        | (?P<sign>[+|()])
    )""",
    re.VERBOSE,
)
_DEEPEST = 20
_FITS: Mapping[str, Callable[[str, str], bool]] = {
    ":": lambda text, value: text == value,
    "~:": lambda text, value: value in text,
    "<~:": str.startswith,
    "~>:": str.endswith,
}
Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Term:
    """The key's text fits one of `values`, or, negated, none of them."""

    key: Key
    operator: str
    values: tuple[str, ...]
    negated: bool = False

    def fits(self, texts: Texts) -> bool:
        text, fit = self.key.read(texts[self.key.group]), _FITS[self.operator]
        return any(fit(text, value) for value in self.values) is not self.negated

    def terms(self) -> Iterator[Term]:
        yield self

    def certain(self) -> Iterator[Term]:
        yield self


@dataclass(frozen=True, slots=True)
class Group:
    """All of `parts` fit, or with `either` one of them. Without parts: everything fits."""

    parts: tuple[Filter, ...] = ()
    either: bool = False

    def fits(self, texts: Texts) -> bool:
        found = (part.fits(texts) for part in self.parts)
        return any(found) if self.either else all(found)

    def terms(self) -> Iterator[Term]:
        for part in self.parts:
            yield from part.terms()

    def certain(self) -> Iterator[Term]:
        """Terms that hold for all that fits."""
        if not self.either or len(self.parts) == 1:
            for part in self.parts:
                yield from part.certain()


Filter = Term | Group
EVERYTHING = Group()


def parse(text: str) -> Filter:
    """Raises `BadKey`."""
    if not text.strip():
        return EVERYTHING
    tokens = _Tokens(text)
    found = _filter(tokens, 0)
    if tokens.next is not None:
        raise BadKey(f"there is a bracket too many in the filter {text!r}")
    return found


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text, self._at = text.rstrip(), 0
        self.next: re.Match[str] | None = None
        self.take()

    def take(self) -> None:
        if self._at == len(self._text):
            self.next = None
            return
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            rest = self._text[self._at :].strip()
            raise BadKey(f'{rest!r} is no filter like namespace:"shop","web"')
        self.next, self._at = match, match.end()

    def sign(self, *wanted: str) -> str:
        """The next sign if it is one of these, else nothing."""
        found = self.next["sign"] if self.next is not None else None
        return found if found in wanted else ""


def _filter(tokens: _Tokens, depth: int) -> Filter:
    parts, joined = [_element(tokens, depth)], ""
    while tokens.next is not None and not tokens.sign(")"):
        # A plain `+` in an address arrives as a blank.
        sign = tokens.sign("+", "|") or "+"
        if joined and sign != joined:
            raise BadKey("put brackets around what is joined by + beside what is joined by |")
        joined = sign
        if tokens.sign("+", "|"):
            tokens.take()
        parts.append(_element(tokens, depth))
    return parts[0] if len(parts) == 1 else Group(tuple(parts), joined == "|")


def _element(tokens: _Tokens, depth: int) -> Filter:
    if tokens.sign("("):
        if depth == _DEEPEST:
            raise BadKey(f"the filter has more than {_DEEPEST} brackets within each other")
        tokens.take()
        found = _filter(tokens, depth + 1)
        if not tokens.sign(")"):
            raise BadKey("a bracket of the filter is not closed")
        tokens.take()
        return found
    return _comparison(tokens)


def _comparison(tokens: _Tokens) -> Term:
    match = tokens.next
    if match is None or match["field"] is None:
        raise BadKey('the filter lacks a part like namespace:"shop"')
    operator, values = match["operator"], [match["first"]]
    tokens.take()
    while tokens.next is not None and tokens.next["more"] is not None:
        values.append(tokens.next["more"].lstrip(",").lstrip())
        tokens.take()
    texts = tuple(value[1:-1] for value in values)
    return Term(key_of(match["field"]), operator.lstrip("!"), texts, operator.startswith("!"))
