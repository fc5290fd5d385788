"""The shape of the house: rooms that import downwards, few floors, one name for one class.

And one form for what is said of errors.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import sungather

PACKAGE = Path(sungather.__file__).parent
CHARM = Path(__file__).parents[2] / "charm" / "src"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_ROOMS = 14
MOST_FLOORS = 8
LONGEST_FILE = 400


def room_of(module: str) -> str:
    """The folder of a module; a module that stands in no folder is a room of its own."""
    return module.split(".")[1] if "." in module else "sungather"


def imported(file: Path) -> Iterator[str]:
    """Every module of ours that a file imports, also within its functions."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("sungather."))
        elif isinstance(node, ast.ImportFrom) and node.module == "sungather":
            yield from (f"sungather.{one.name}" for one in node.names if is_module(one.name))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sungather."):
            yield str(node.module)


def is_module(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


@cache
def arrows() -> Mapping[str, frozenset[str]]:
    """Room -> the other rooms that it imports."""
    found: dict[str, set[str]] = {}
    for file in FILES:
        module = ".".join(("sungather", *file.relative_to(PACKAGE).with_suffix("").parts))
        room = room_of(module)
        found.setdefault(room, set()).update(room_of(one) for one in imported(file))
    return {room: frozenset(others - {room}) for room, others in found.items()}


def floor(room: str, above: tuple[str, ...] = ()) -> int:
    assert room not in above, f"imports run in a circle: {' -> '.join((*above, room))}"
    below = (floor(other, (*above, room)) for other in arrows()[room])
    return 1 + max(below, default=0)


def test_rooms_stand_on_few_floors_and_import_downwards_only() -> None:
    floors = {room: floor(room) for room in arrows()}
    assert floors["__main__"] == max(floors.values()) <= MOST_FLOORS
    assert floors["reading"] == floors["household"] == floors["errors"] == 1


def test_there_are_few_rooms() -> None:
    folders = [one for one in PACKAGE.iterdir() if (one / "__init__.py").is_file()]
    assert 10 <= len(folders) <= MOST_ROOMS


def test_the_simulator_has_a_path_of_its_own() -> None:
    assert arrows()["simulator"] == {"errors"}


def test_a_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_a_file_is_no_longer_than_one_reads() -> None:
    all_options = PACKAGE / "options" / "all_options.py"  # grows with them, a row each
    files = [file for file in FILES if file != all_options]
    lengths = {file.name: len(file.read_text("utf-8").splitlines()) for file in files}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(node: ast.AST) -> Iterator[Function]:
    """Those of modules and classes whose names do not begin with an underscore."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            if not child.name.startswith("_"):
                yield child
        else:
            yield from public_functions(child)


def raises(node: ast.AST) -> bool:
    """Whether an error begins here; a bare `raise` passes on what came from elsewhere."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise):
            if child.exc is not None and ast.unparse(child.exc) != "NotImplementedError":
                return True
        elif not isinstance(child, Function | ast.ClassDef) and raises(child):
            return True
    return False


def test_public_functions_say_what_they_raise_and_all_in_one_form() -> None:
    found: list[str] = []
    for file in (*FILES, *CHARM.glob("*.py")):
        text = file.read_text("utf-8")
        found += [
            f"{file.name}: {function.name}"
            for function in public_functions(ast.parse(text))
            if raises(function) and "Raises:\n" not in (ast.get_docstring(function) or "")
        ]
        found += [f"{file.name}: {prose}" for prose in re.findall(r"Raises [`A-Z]\S*", text)]
    assert found == []
