"""Foreign pickles, read without running them.

A pickle is a program for a small stack machine. This one carries out the few instructions that data
need and calls nothing: where a pickle asks for a class or a function, and its name is allowed, a
`Record` keeps what it would have been called with. Every instruction eats bytes of the file, so
that what is built stays in proportion to it, whatever sizes the file declares.
"""

import dataclasses
import mmap
import pathlib
import pickletools
from collections.abc import Callable, Iterator
from typing import IO, Any, Protocol, cast, runtime_checkable

import numpy as np

from gancmri_jax.errors import InputError

MOST_INSTRUCTIONS = 1_000_000  # the I3D's pickle has 7,633
MOST_PAIRS = 100_000
DEEPEST = 64
LONGEST = 500  # letters of a name
NUMPY = frozenset(
    f"{module}.{name}"
    for module, name in (
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    )
)


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function that a pickle asks for, `module.name`; it is never imported."""

    path: str


@dataclasses.dataclass(eq=False)
class Record:
    """What a pickle would have called, with what, and the state it would have set after."""

    path: str
    args: tuple[Any, ...]
    state: Any = None
    items: dict[Any, Any] = dataclasses.field(default_factory=dict)  # of a dictionary's kin


@dataclasses.dataclass(frozen=True)
class Outside:
    """What a pickle refers to outside itself, such as a tensor's storage."""

    key: Any


@runtime_checkable
class Readable(Protocol):
    """A file opened for reading bytes, one in memory, or one that is mapped."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self) -> bytes: ...


class _Mark:
    pass


_MARK = _Mark()
_PUSHED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(file: Readable, allowed: Callable[[str], bool], most: int | None = None) -> Any:
    """Read one pickle from where a file stands, and leave the file behind it.

    Args:
        file: Read no further than the pickle reaches.
        allowed: Says of `module.name` whether the pickle may ask for it.
        most: Instructions that it may have, if not MOST_INSTRUCTIONS.

    Raises:
        InputError: The pickle is broken, asks for anything else, or has instructions that data do
            not need. The message does not name the file.
    """
    try:
        return _run(_instructions(file, most or MOST_INSTRUCTIONS), allowed)
    except InputError:
        raise
    # Whatever the stack machine stumbles over, from an empty stack to a key that is a list.
    except Exception as error:
        raise InputError(f"is a broken pickle ({type(error).__name__})") from error


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read a pickle of nested dictionaries of numpy arrays, by paths with slashes.

    Raises:
        InputError: It is broken, or holds anything else.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            tree = read_pickle(content, NUMPY.__contains__)
        leaves = flatten(tree, lambda node: isinstance(node, Record))
        return {name: numpy_array(record) for name, record in leaves.items()}
    except (InputError, ValueError) as error:  # an empty file cannot be mapped
        raise InputError(f"{path}: {error}") from error


def numpy_array(record: Any) -> np.ndarray:
    """Return the array or scalar that a record of numpy's pickles describes, its bytes uncopied.

    Raises:
        InputError: It describes none, or not of plain numbers, or of another size than its bytes.
    """
    try:
        if record.path.endswith(".scalar"):
            (dtype, content), shape, by_columns = record.args, (), False
        else:
            _, shape, dtype, by_columns, content = record.state
        _, order, *_ = dtype.state
        if not (record.path.endswith((".scalar", "._reconstruct")) and dtype.path == "numpy.dtype"):
            raise TypeError(record.path)
        if not isinstance(content, bytes) or dtype.args[0] not in ("f2", "f4", "f8", "i4", "i8"):
            raise TypeError(dtype.args[0])
        flat = np.frombuffer(content, np.dtype(dtype.args[0]).newbyteorder(order))
        return flat.reshape(shape, order="F" if by_columns else "C")
    except Exception as error:
        raise InputError(f"holds no sound array of numbers ({type(error).__name__})") from error


def flatten(tree: Any, is_leaf: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the leaves of nested dictionaries, and of records' states, by paths with slashes.

    Raises:
        InputError: It is nested too deeply, into itself perhaps.
    """
    leaves: dict[str, Any] = {}
    todo: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    for _ in range(MOST_INSTRUCTIONS):  # shared members could make a short pickle a vast tree
        if not todo:
            return leaves
        path, node = todo.pop()
        if len(path) > DEEPEST:
            break
        if is_leaf(node):
            leaves["/".join(path)] = node
            continue
        for members in (node.items, node.state) if isinstance(node, Record) else (node,):
            if isinstance(members, dict):
                todo += [((*path, _name(key)), member) for key, member in members.items()]
    raise InputError("is nested too deeply to be a network's parameters")


def _name(key: Any) -> str:
    name = str(key)
    if len(name) > LONGEST:
        raise InputError(f"has a name of over {LONGEST} letters")
    return name


def _instructions(file: Readable, most: int) -> Iterator[tuple[str, Any]]:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], file))):
        if count >= most:
            raise InputError(f"is a pickle of over {most} instructions, no weights")
        yield opcode.name, argument


def _run(instructions: Iterator[tuple[str, Any]], allowed: Callable[[str], bool]) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    encoded: dict[int, tuple[str, bytes]] = {}  # by the text's id: one text costs its bytes once
    pairs = 0  # given to dictionaries at once; a list may be given to many

    def pop_to_mark() -> list[Any]:
        start = next(place for place in reversed(range(len(stack))) if stack[place] is _MARK)
        members = stack[start + 1 :]
        del stack[start:]
        return members

    for opcode, argument in instructions:
        if opcode == "STOP":
            (value,) = stack
            assert value is not _MARK
            return value
        if opcode in ("PROTO", "FRAME"):
            continue
        if opcode in _LITERALS:
            stack.append(argument)
        elif opcode in _PUSHED:
            stack.append(_PUSHED[opcode]())
        elif opcode in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif opcode == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif opcode in _TUPLES:
            count = _TUPLES[opcode]
            stack[-count:] = [tuple(stack[-count:])]
        elif opcode == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif opcode in ("APPEND", "APPENDS"):
            members = pop_to_mark() if opcode == "APPENDS" else [stack.pop()]
            _of(list, stack[-1]).extend(members)
        elif opcode in ("SETITEM", "SETITEMS"):
            members = pop_to_mark() if opcode == "SETITEMS" else [stack.pop(-2), stack.pop()]
            _set_items(stack[-1], members)
        elif opcode in ("GLOBAL", "STACK_GLOBAL"):
            if opcode == "GLOBAL":
                path = argument.replace(" ", ".", 1)
            else:
                path = ".".join(_of(str, part) for part in (stack.pop(-2), stack.pop()))
            if not allowed(path):
                raise InputError(f"is a pickle that asks for {path[:200]!r}, which no weights need")
            stack.append(Name(path))
        elif opcode in ("REDUCE", "NEWOBJ"):
            args = _of(tuple, stack.pop())
            record = Record(_of(Name, stack.pop()).path, args)
            if record.path == "_codecs.encode":  # so protocol 2 writes bytes
                text, _ = args
                if id(text) not in encoded:
                    encoded[id(text)] = text, text.encode("latin-1")
                stack.append(encoded[id(text)][1])
                continue
            if record.path == "collections.OrderedDict" and args:
                pairs += len(_of(list, args[0]))
                if pairs > MOST_PAIRS:
                    raise InputError(f"is a pickle of over {MOST_PAIRS} pairs, no weights")
                for key, member in args[0]:  # old pickles give it all its pairs
                    record.items[_key(key)] = member
            stack.append(record)
        elif opcode == "BUILD":
            state = stack.pop()
            _of(Record, stack[-1]).state = state
        elif opcode == "BINPERSID":
            stack.append(Outside(stack.pop()))
        else:
            raise InputError(f"is a pickle with the instruction {opcode}, which no weights need")
    raise EOFError


def _set_items(target: Any, members: list[Any]) -> None:
    items = target.items if isinstance(target, Record) else _of(dict, target)
    items.update(zip(map(_key, members[::2]), members[1::2], strict=True))


def _key(value: Any) -> Any:
    """Refuse tuples, which may be nested more deeply than Python can hash without a crash."""
    if not isinstance(value, str | int | float | bytes | None):
        raise TypeError(f"a key of type {type(value).__name__}")
    return value


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value
