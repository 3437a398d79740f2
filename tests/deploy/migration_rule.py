"""What a migration may do while the code before it is still running."""

import ast
from pathlib import Path

#: Takes away what old code may still read or write.
_TAKES_AWAY = {"drop_table", "drop_column", "rename_table", "drop_constraint"}
#: A module that says so, and why, is the second half of a change whose first was released before.
MARKER = "contracts"


def breaches(file: Path) -> list[str]:
    """Return what in a migration's `upgrade` old code could not run beside, as sentences."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    if _says_why_it_contracts(module):
        return []
    [upgrade] = [
        node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    ]
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call)]
    made = {_text(call.args[0]) for call in calls if _name(call) == "create_table" and call.args}
    found = [_breach(call) for call in calls if _table_of(call) not in made]
    return [sentence for sentence in found if sentence]


def _says_why_it_contracts(module: ast.Module) -> bool:
    for node in module.body:
        if isinstance(node, ast.Assign) and _text(node.targets[0]) == MARKER:
            return isinstance(node.value, ast.Constant) and bool(node.value.value)
    return False


def _breach(call: ast.Call) -> str | None:
    name, words = _name(call), {word.arg: word.value for word in call.keywords}
    if name in _TAKES_AWAY:
        return f"{name} takes away what old code may still use"
    if name == "add_column" and _is_required(call):
        return "add_column adds a column that old code does not fill: nullable or server_default"
    if name == "alter_column":
        narrow = {"new_column_name", "type_"} & set(words)
        if narrow or _text(words.get("nullable")) == "False":
            return "alter_column renames, retypes or requires a column that old code still writes"
    if name == "execute" and _drops(call):
        return "execute drops or renames what old code may still use"
    return None


def _is_required(call: ast.Call) -> bool:
    columns = [
        one for one in ast.walk(call) if isinstance(one, ast.Call) and _name(one) == "Column"
    ]
    words = {word.arg: _text(word.value) for column in columns for word in column.keywords}
    return words.get("nullable") == "False" and "server_default" not in words


def _drops(call: ast.Call) -> bool:
    text = " ".join(_text(argument) for argument in call.args).upper()
    return any(word in text for word in ("DROP TABLE", "DROP COLUMN", "RENAME", "SET NOT NULL"))


def _table_of(call: ast.Call) -> str | None:
    """Return the table that a call names first, where it names one."""
    return _text(call.args[0]) if call.args and isinstance(call.args[0], ast.Constant) else None


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else _text(call.func)


def _text(node: ast.AST | None) -> str:
    return ast.unparse(node) if node is not None else ""
