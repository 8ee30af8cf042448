"""Verifies access tokens of Grantable. JWTs need PyJWT and cryptography; other tokens are introspected."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from grantable_access import Access, Refused, Types, is_ours, members_of, read_access, require

KEYS_KEPT_SECONDS = 300
KEYS_ASKED_EVERY_SECONDS = 1
TIMEOUT_SECONDS = 5


class Unavailable(Exception):
    """The token cannot be checked at the moment: answer 503."""


@dataclass(frozen=True)
class Token:
    subject: str
    client_id: str
    access: Access
    claims: Mapping[str, Any]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@dataclass
class Verifier:
    """:param introspect_all: ask about JWTs too, so that revoked ones are refused at once."""

    issuer: str
    resource: str
    client_id: str
    client_secret: str
    tables: Mapping[str, Types] = field(default_factory=dict)
    algorithms: Sequence[str] = ("ES256",)  # as `token.alg` of the resource
    introspect_all: bool = False
    now: Callable[[], float] = time.time
    _keys: dict[str, Any] = field(default_factory=dict)
    _keys_at: float = float("-inf")

    def verify(self, token: str) -> Token:
        """:raises Refused: :raises Unavailable:"""
        require(re.fullmatch(r"[A-Za-z0-9._~+/-]{1,16384}=*", token), "This is not a token.")
        if self.introspect_all or "." not in token:
            return self.read_answer(self._introspect(token))
        typ, text = self._verify_signature(token)
        return self.read_jwt(typ, text)

    def read_jwt(self, typ: object, text: str | bytes) -> Token:
        """Reads the claims of a JWT whose signature is good."""
        claims = self._parse(text)
        require(typ == "at+jwt", "The JWT is not an access token.")
        require(claims.get("iss") == self.issuer, "The token is from another issuer.")
        starts = claims.get("nbf", 0)
        require(_is_number(starts) and starts <= self.now(), "The token is not valid yet.")
        is_whole = isinstance(claims.get("jti"), str) and isinstance(claims.get("anc"), list)
        require(is_whole and _is_number(claims.get("iat")), "The JWT has no jti, no anc or no iat.")
        require(_is_number(claims.get("as_of")), "The JWT has no as_of.")
        return self._read(claims)

    def read_answer(self, text: str | bytes) -> Token:
        """Reads the answer of an introspection."""
        claims = self._parse(text)
        require(claims.get("active") is True, "The token is not active.")
        # A refresh token is active too, and has no type.
        require(claims.get("token_type") == "Bearer", "This is not a bearer token.")
        return self._read(claims)

    def _read(self, claims: dict[str, Any]) -> Token:
        ends = claims.get("exp")
        require(_is_number(ends) and ends > self.now(), "The token has expired.")  # type: ignore[operator]
        require(is_ours(claims.get("aud"), self.resource), "The token is for another resource.")
        require("cnf" not in claims, "The token is bound to a key, and nothing proves the key here.")
        subject, client = claims.get("sub"), claims.get("client_id")
        require(isinstance(subject, str) and isinstance(client, str), "The token has no sub or no client_id.")
        return Token(str(subject), str(client), read_access(claims, self.resource, self.tables), claims)

    @staticmethod
    def _parse(text: str | bytes) -> dict[str, Any]:
        try:
            plain = text.decode() if isinstance(text, bytes) else text
            return members_of(json.loads(plain, parse_constant=_no_constant))
        except (ValueError, RecursionError) as error:
            raise Refused("The claims are not JSON.") from error

    def _verify_signature(self, token: str) -> tuple[object, bytes]:
        import jwt  # Only here, so that the rest needs the standard library only.

        # Decoders also read blanks, padding and unused bits: these would give one token many spellings.
        parts = token.split(".")
        require(len(parts) == 3 and all(map(_is_base64url, parts)), "This is not a JWT.")
        try:
            key = self._find_key(jwt.get_unverified_header(token).get("kid"))
            read = jwt.PyJWS().decode_complete(token, key=key, algorithms=list(self.algorithms))
        except jwt.PyJWTError as error:
            raise Refused("The signature of the JWT is not good.") from error
        return read["header"].get("typ"), read["payload"]

    def _find_key(self, kid: object) -> Any:
        import jwt

        age = self.now() - self._keys_at
        if age > (KEYS_KEPT_SECONDS if kid in self._keys else KEYS_ASKED_EVERY_SECONDS):
            try:
                listed = json.loads(self._ask("/oauth/jwks"))["keys"]
                usable = [each for each in listed if each.get("alg") in self.algorithms]
                self._keys = {each["kid"]: jwt.PyJWK(each).key for each in usable}
            except (ValueError, LookupError, TypeError, jwt.PyJWKError) as error:
                raise Unavailable("/oauth/jwks was not answered with keys.") from error
            self._keys_at = self.now()
        require(kid in self._keys, "The key of the JWT is not known.")
        return self._keys[str(kid)]

    def _introspect(self, token: str) -> bytes:
        credentials = ":".join(urllib.parse.quote(each, safe="") for each in (self.client_id, self.client_secret))
        basic = base64.b64encode(credentials.encode()).decode()
        form = urllib.parse.urlencode({"token": token}).encode()
        return self._ask("/oauth/introspect", form, {"Authorization": f"Basic {basic}"})

    def _ask(self, path: str, form: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        request = urllib.request.Request(self.issuer + path, form, {"Accept": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return bytes(response.read())
        except (OSError, HTTPException) as error:
            raise Unavailable(f"{path} was not answered: {error}") from error


def _is_base64url(part: str) -> bool:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return part != "" and base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == part


def _describe(access: Access) -> dict[str, Any]:
    if access.is_admin:
        return {"isAdmin": True}
    said: dict[str, Any] = {}
    for table, action in sorted(access.rights):
        limits = access.limits(table, action)
        said.setdefault(table, {})[action] = [limit.to_json() for limit in limits]
    return said


if __name__ == "__main__":
    verifier = Verifier(
        issuer=os.environ["ISSUER"],
        resource=os.environ["RESOURCE"],
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        introspect_all="INTROSPECT_ALL" in os.environ,
    )
    try:
        print(json.dumps(_describe(verifier.verify(sys.argv[1]).access)))
    except (Refused, Unavailable) as error:
        sys.exit(f"{type(error).__name__}: {error}")
