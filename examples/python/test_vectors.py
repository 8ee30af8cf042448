"""Gives the verifier every token of docs/vectors: `python3 -m unittest -v` in this folder."""

import json
import unittest
from pathlib import Path
from typing import Any

from grantable_access import Access, Limit, Refused, is_ours
from grantable_verifier import Token, Verifier

VECTORS = Path(__file__).parent.parent.parent / "docs" / "vectors"
WORLD = json.loads((VECTORS / "world.json").read_text("utf-8"))
TABLES = {name: table["columns"] for name, table in WORLD["tables"].items()}


def claims_text(vector: dict[str, Any]) -> str:
    if "text" in vector:
        return str(vector["text"])
    claims = {**WORLD["claims"][vector["form"]], **vector.get("claims", {})}
    return json.dumps({name: value for name, value in claims.items() if value is not None})


def verify(vector: dict[str, Any]) -> Token | None:
    verifier = Verifier(WORLD["issuer"], WORLD["resource"], "shop-api", "secret", TABLES, now=lambda: WORLD["now"])
    text = claims_text(vector)
    try:
        if vector["form"] == "jwt":
            return verifier.read_jwt(vector.get("typ", "at+jwt"), text)
        return verifier.read_answer(text)
    except Refused:
        return None


def judge(case: dict[str, Any], token: Token | None) -> object:
    table = case["table"]
    rows = WORLD["tables"][table]["rows"]
    if case["action"] == "read":
        seen = {name: token.access.filter(table, [row]) for name, row in rows.items()} if token else {}
        return {name: list(visible[0]) for name, visible in seen.items() if visible}
    if token is None:
        return False
    if case["action"] == "create":
        row = {**dict.fromkeys(TABLES[table]), **case["set"]}
        return token.access.allows_create(table, row, case["set"])
    if case["action"] == "update":
        return token.access.allows_update(table, rows[case["row"]], case["set"])
    return token.access.allows_delete(table, rows[case["row"]])


class Vectors(unittest.TestCase):
    def test_only_an_empty_path_has_two_spellings(self) -> None:
        self.assertTrue(is_ours("https://api.example", "https://api.example/"))
        self.assertTrue(is_ours("https://api.example/", "https://api.example"))
        self.assertFalse(is_ours("https://api.example/v1/", "https://api.example/v1"))

    def test_no_spelling_of_a_limiting_column_can_be_set(self) -> None:
        for column, spellings in {
            "customer_id": ["CUSTOMER_ID", "customer_id ", "customer\u00a0_id", "cust\u00f3mer_id", "customer_\u0131d\u20dd"],
            "x" * 63: ["x" * 63 + "yz", "X" * 64],
        }.items():
            access = Access({}, rights={("orders", "update"): [Limit(None, {column: ["42"]})]})
            self.assertTrue(access.allows_update("orders", {column: "42"}, {"status": "new"}))
            for spelling in spellings:
                self.assertFalse(access.allows_update("orders", {column: "42"}, {spelling: "43"}), spelling)

    def test_vectors(self) -> None:
        count = 0
        for path in sorted(VECTORS.glob("*.json")):
            if path.name == "world.json":
                continue
            for vector in json.loads(path.read_text("utf-8")):
                with self.subTest(file=path.name, token=vector["name"]):
                    token = verify(vector)
                    if vector["verdict"] == "either" and token is None:
                        continue
                    if vector["verdict"] != "either":
                        self.assertEqual("accepted" if token else "refused", vector["verdict"])
                    for case in vector["cases"]:
                        expected = case["rows"] if case["action"] == "read" else case["allowed"]
                        self.assertEqual(judge(case, token), expected, case)
                    count += 1
        self.assertGreater(count, 250)


if __name__ == "__main__":
    unittest.main()
