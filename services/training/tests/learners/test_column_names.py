"""Columns may be called whatever a library or we use as a name."""

import pyarrow as pa
import pytest

from training.learners import Interactions

NAMES = ("self", "cls", "table", "user", "item", "time", "weight", "exprs", "", "index", "literal")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_column(name: str) -> None:
    columns = {name: ["u1", "u2"], f"{name}!": ["a", "b"], "other": [1, 2]}
    found = Interactions.from_table(pa.table(columns), user=name, item=f"{name}!")
    assert found.users.to_pylist() == ["u1", "u2"]
    assert found.items.to_pylist() == ["a", "b"]
