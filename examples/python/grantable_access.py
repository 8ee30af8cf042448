"""What the claims of a token of Grantable allow: which rows and columns, for which action on which table.

Rules: "Verifying with your own code" in docs/resource-server.md. Verdicts: docs/vectors.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

Row = Mapping[str, Any]
Types = Mapping[str, str]  # by column: text, integer, decimal, boolean, uuid, date, timestamp

NAME_BYTES = 63  # What PostgreSQL keeps of a longer name.
ACTIONS = ("create", "read", "update", "delete")
DETAIL_TYPES = ("table_access", "table_access_set")


class Refused(Exception):
    """The token is not valid here: answer 401."""


def require(condition: object, sentence: str) -> None:
    if not condition:
        raise Refused(sentence)


# --- Values ---

INTEGER = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r" ?(?:[Zz]|([+-])(0[0-9]|1[0-5]):?([0-5][0-9])?)?)?"
)
MAX_NUMBER_CHARACTERS = 1000
BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def _text_of(value: object) -> str | None:
    """The text of a value as drivers give it; None for NULL and for what has no text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, (str, int, float, Decimal, UUID)) else None


def _decimal(text: str) -> Decimal | None:
    """None for numbers with more digits than databases are sure to keep."""
    number = Decimal(text)
    written = f"{number:f}"
    digits = written.rstrip("0").rstrip(".") if "." in written else written
    return number if number == 0 or len(digits) <= MAX_NUMBER_CHARACTERS else None


def _instant(text: str) -> datetime | None:
    match = TIMESTAMP.fullmatch(text)
    if not match:
        return None
    day, minutes, seconds, fraction, sign, ahead, ahead_minutes = match.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:  # Databases keep microseconds.
        return None
    offset = timedelta(hours=int(ahead or 0), minutes=int(ahead_minutes or 0))
    moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}{seconds or ':00'}.{fraction:0<6}+00:00")
    return moment + offset if sign == "-" else moment - offset


def comparable(column_type: str, value: object) -> Hashable | None:
    """Equal for values that are the same in the type, None if the value cannot be cast: it equals nothing."""
    text = _text_of(value)
    if text is None or "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return None
    try:
        if column_type == "text":
            return text
        if column_type == "boolean":
            return BOOLEANS.get(text.lower())
        if column_type == "uuid":
            return UUID(text) if UUID_TEXT.fullmatch(text.lower()) else None
        if column_type == "date":
            return date.fromisoformat(text) if DATE.fullmatch(text) else None
        if column_type == "timestamp":
            return _instant(text)
        if column_type == "integer":
            return int(text) if len(text) <= MAX_NUMBER_CHARACTERS and INTEGER.fullmatch(text) else None
        if column_type == "decimal":
            return _decimal(text) if len(text) <= MAX_NUMBER_CHARACTERS and DECIMAL.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
    raise TypeError(f"Unknown type {column_type!r}.")


# --- Rights ---


@dataclass(frozen=True)
class Limit:
    """One way in which an action is allowed. None means all columns, no conditions mean all rows."""

    columns: frozenset[str] | None = None
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_unlimited(self) -> bool:
        return self.columns is None and not self.rows

    def to_json(self) -> dict[str, Any]:
        """An absent member means no limit."""
        members = {"columns": self.columns and sorted(self.columns), "rows": self.rows}
        return {name: value for name, value in members.items() if value}

    def has(self, columns: Iterable[str]) -> bool:
        return self.columns is None or self.columns.issuperset(columns)

    def holds_for(self, row: Row, types: Types) -> bool:
        """Whether the row meets every condition. NULL and missing columns meet none."""
        for column, values in self.rows.items():
            column_type = types.get(column, "text")
            found = comparable(column_type, row.get(column))
            if found is None or all(found != comparable(column_type, value) for value in values):
                return False
        return True


def _fold(name: str) -> str:
    """The same for all names that some database takes for one: cut as PostgreSQL cuts, without case, accents and blanks."""
    cut = name.encode(errors="replace")[:NAME_BYTES].decode(errors="replace")
    kept = (each for each in unicodedata.normalize("NFKD", cut) if unicodedata.category(each)[0] != "M")
    return "".join("".join(kept).split()).upper().lower()


@dataclass
class Access:
    """What a token allows. Alternatives are never merged: each has its own rows and columns."""

    tables: Mapping[str, Types]
    is_admin: bool = False
    rights: dict[tuple[str, str], list[Limit]] = field(default_factory=dict)

    def add(self, table: str, action: str, limit: Limit) -> None:
        self.rights.setdefault((table, action), []).append(limit)

    def limits(self, table: str, action: str) -> list[Limit]:
        """No alternatives: not allowed. One that is unlimited: allowed on all rows and columns."""
        found = [*self.rights.get((table, action), ()), *self.rights.get(("*", action), ())]
        if self.is_admin or any(limit.is_unlimited for limit in found):
            return [Limit()]
        return found

    def filter(self, table: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """The rows that may be read, each with the columns that may. Rows must have the columns of conditions."""
        limits, types = self.limits(table, "read"), self.tables.get(table, {})
        seen = []
        for row in rows:
            matching = [limit for limit in limits if limit.holds_for(row, types)]
            visible = {name: row[name] for name in row if any(limit.has([name]) for limit in matching)}
            if visible:
                seen.append(visible)
        return seen

    def allows_create(self, table: str, row: Row, columns: Iterable[str] | None = None) -> bool:
        """:param row: as it will be. :param columns: those that the client sets, if not all of the row."""
        return self._allows(table, "create", row, row if columns is None else columns)

    def allows_update(self, table: str, before: Row, changes: Row) -> bool:
        """:param before: the row as it is, locked until the change is made. :param changes: new values."""
        after = {**before, **changes}
        return self._allows(table, "update", before, changes) and self._allows(table, "update", after, ())

    def allows_delete(self, table: str, row: Row) -> bool:
        return self._allows(table, "delete", row, ())

    def _allows(self, table: str, action: str, row: Row, columns: Iterable[str]) -> bool:
        limits, names, types = self.limits(table, action), set(columns), self.tables.get(table, {})
        limiting = {column for limit in limits for column in limit.rows}
        if {_fold(name) for name in names - limiting} & {_fold(column) for column in limiting}:
            return False
        return any(limit.has(names) and limit.holds_for(row, types) for limit in limits)


def _canonical(identifier: str) -> str:
    """An identifier without a path means the same with a slash."""
    return f"{identifier}/" if re.fullmatch(r"https?://[^/?#]+", identifier, re.IGNORECASE) else identifier


def is_ours(identifier: object, resource: str) -> bool:
    return isinstance(identifier, str) and _canonical(identifier) == _canonical(resource)


def _strings(value: object) -> list[str]:
    require(isinstance(value, list) and value, "A list of the token is empty, or is not a list.")
    assert isinstance(value, list)
    require(all(isinstance(each, str) and each for each in value), "A list of the token has other entries than texts.")
    return value


def _actions(value: object) -> list[str]:
    actions = _strings(value)
    require(set(actions) <= set(ACTIONS), "The token has an unknown action.")
    return actions


def members_of(value: object, known: Iterable[str] | None = None) -> dict[str, Any]:
    require(isinstance(value, dict), "A member of the token is not an object.")
    assert isinstance(value, dict)
    require(known is None or set(value) <= set(known), "The token has an unknown member, which might be a limit.")
    return value


def _read_permissions(claim: object, tables: Mapping[str, Types]) -> Access:
    members = members_of(claim, ("isAdmin", "tables"))
    access = Access(tables, members.get("isAdmin", False))
    require(isinstance(access.is_admin, bool), "isAdmin must be true or false.")
    for table, flags in members_of(members.get("tables", {})).items():
        for action, flag in members_of(flags, ACTIONS).items():
            require(isinstance(flag, bool), "The flags of permissions must be true or false.")
            if flag:
                access.add(table, action, Limit())
    return access


def _read_rows(value: object) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for column, values in members_of(value).items():
        require(isinstance(values, list) and values, "A condition must have a list of values.")
        require(all(isinstance(each, (str, int)) for each in values), "A condition has a value that is not a text.")
        rows[column] = [_text_of(each) or "" for each in values]
    require(rows, "The member rows must name a column.")
    return rows


def _read_details(claim: object, resource: str, tables: Mapping[str, Types]) -> Access:
    require(isinstance(claim, list), "authorization_details must be a list.")
    assert isinstance(claim, list)
    access = Access(tables)
    for detail in map(members_of, claim):
        require(isinstance(detail.get("type"), str), "A detail has no type.")
        if detail["type"] not in DETAIL_TYPES:
            continue  # It is about other things than tables.
        if "locations" in detail:
            locations = _strings(detail["locations"])
            require(all(is_ours(each, resource) for each in locations), "A detail is of another resource.")
        if detail["type"] == "table_access" and "privileges" in detail:
            members_of(detail, ("type", "locations", "privileges"))
            require(set(_strings(detail["privileges"])) == {"admin"}, "The only privilege is admin.")
            access.is_admin = True
            continue
        if detail["type"] == "table_access":
            members_of(detail, ("type", "locations", "identifier", "actions"))
            names, limit = _strings([detail.get("identifier")]), Limit()
        else:
            members_of(detail, ("type", "locations", "tables", "actions", "columns", "rows"))
            columns = frozenset(_strings(detail["columns"])) if "columns" in detail else None
            limit = Limit(columns, _read_rows(detail["rows"]) if "rows" in detail else {})
            names = _strings(detail.get("tables"))
            require(limit.is_unlimited or "*" not in names, "Rights to every table cannot be limited.")
        actions = _actions(detail.get("actions"))
        require(limit.columns is None or "delete" not in actions, "A row is deleted whole.")
        for table in names:
            for action in actions:
                access.add(table, action, limit)
    return access


def _whole(access: Access, tables: Iterable[str]) -> set[tuple[str, str]]:
    cells = ((table, action) for table in tables for action in ACTIONS)
    return {(table, action) for table, action in cells if Limit() in access.limits(table, action)}


def read_access(claims: Mapping[str, Any], resource: str, tables: Mapping[str, Types]) -> Access:
    """:raises Refused: also if the two claims differ in what they allow without limits."""
    plain = _read_permissions(claims["permissions"], tables) if "permissions" in claims else None
    if "authorization_details" not in claims:
        require(plain, "The token says nothing of permissions.")
        assert plain
        return plain
    details = _read_details(claims["authorization_details"], resource, tables)
    if plain:
        names = {"*"} | {table for table, _ in plain.rights} | {table for table, _ in details.rights}
        is_same = plain.is_admin == details.is_admin and _whole(plain, names) == _whole(details, names)
        require(is_same, "The two claims of the token contradict each other.")
    return details
