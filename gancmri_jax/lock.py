"""One run at a time for each output: a lock that ends with its process, however that ends.

The lock is a POSIX record lock (`fcntl.lockf`) on a hidden file, which says what runs. The kernel
gives it up when the process ends, after `kill -9` too; what is left then is a file that locks
nothing. Record locks are part of NFS, so they hold between hosts as well, where the server keeps
them (NFS 4, or 3 with its lock daemon; on Lustre, with the mount option `flock`). A file system
without locks is named on standard error, and the run goes on.

A process holds a lock as often as it asks for it in one thread, so that a verb may lock what the
library function that it calls locks again.
"""

import contextlib
import datetime
import errno
import os
import pathlib
import platform
import sys
import threading
from collections.abc import Iterator

from gancmri_jax.errors import InputError

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
_TAKEN = (errno.EACCES, errno.EAGAIN)
_ATTEMPTS = 100
_MOST_BYTES = 300  # of what a lock says

_held: dict[pathlib.Path, int] = {}  # by lock: the thread that holds it
_guard = threading.Lock()


@contextlib.contextmanager
def one_run(
    output: pathlib.Path, verb: str, *, beside: bool = False, part: int | None = None
) -> Iterator[None]:
    """Let no other run write an output until the block ends.

    Folders that the lock needs are made, and removed in the end where nothing else is in them.

    Args:
        output: A run's folder; or, with `beside`, a file, or a folder that appears when it is done.
        verb: What runs, for the message to a second run.
        beside: Keep the lock beside the output, and not inside.
        part: This process's number, where several share one run: each locks a byte of its own.

    Raises:
        InputError: Another run holds the output, or it cannot be written to.
    """
    full = output.resolve()  # "." has no name of its own
    place = full.with_name(f".{full.name}.lock") if beside else full / ".lock"
    with _guard:
        holder = _held.get(place)
        if holder is None:
            _held[place] = threading.get_ident()
    if holder == threading.get_ident():  # the block that took it gives it back
        yield
        return
    if holder is not None:
        raise _refusal(output, "another thread of this process")
    made = _missing(place.parent)
    handle: int | None = None
    try:
        handle = _take(output, place, verb, part)
        yield
    finally:
        if handle is not None:
            _give_back(handle, place, part)
        for new in made:
            with contextlib.suppress(OSError):  # something is in it
                new.rmdir()
        with _guard:
            del _held[place]


def _missing(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the folders that are not there yet, the innermost first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def _take(output: pathlib.Path, place: pathlib.Path, verb: str, part: int | None) -> int | None:
    """Lock a file, and return its handle; None where the file system has no locks."""
    for attempt in range(_ATTEMPTS):
        if (handle := _opened(output, place, last=attempt == _ATTEMPTS - 1)) is None:
            continue
        try:
            _lock(handle, part)
        except (ImportError, OSError) as error:
            said = os.read(handle, _MOST_BYTES).decode(errors="replace")
            os.close(handle)
            code = getattr(error, "errno", errno.ENOSYS)
            if code in _TAKEN:
                running = "".join(c for c in said.partition("\n")[0] if c.isprintable())
                raise _refusal(output, running or "another run") from error
            if code not in _NO_LOCKS:
                raise InputError(f"{output}: cannot be locked: {error}") from error
            with contextlib.suppress(OSError):
                place.unlink()
            message = f"{output}: no locks on this file system; a second run would go unnoticed"
            print(f"note: {message}", file=sys.stderr)
            return None
        if _is_at(handle, place):
            break
        os.close(handle)  # removed by the run before, just as it was opened here
    else:
        raise _refusal(output, "others come and go")
    now = datetime.datetime.now(datetime.UTC)
    said = f"{verb}, process {os.getpid()} on {platform.node()} since {now:%Y-%m-%d %H:%M} UTC\n"
    with contextlib.suppress(OSError):  # a full disk keeps no run from ending well
        os.truncate(handle, 0)
        os.pwrite(handle, said.encode(), 0)
    return handle


def _opened(output: pathlib.Path, place: pathlib.Path, last: bool) -> int | None:
    """Open a lock's file; None where a run that ended has just removed its folder."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not last:
            return None
        raise InputError(
            f"{output}: cannot be written: {error.strerror} ({error.filename}); choose another"
        ) from error


def _lock(handle: int, part: int | None) -> None:
    import fcntl  # not on Windows

    start, length = (0, 0) if part is None else (part, 1)  # a length of 0 is the whole file
    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)


def _is_at(handle: int, place: pathlib.Path) -> bool:
    """Tell whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(place))
    except FileNotFoundError:
        return False


def _give_back(handle: int, place: pathlib.Path, part: int | None) -> None:
    with contextlib.suppress(OSError):
        if part is not None:
            _lock(handle, None)  # of several processes, the last removes the file
        place.unlink()
    os.close(handle)


def _refusal(output: pathlib.Path, running: str) -> InputError:
    return InputError(
        f"{output}: another run writes there ({running}); wait until it ends, or choose another "
        "output"
    )
