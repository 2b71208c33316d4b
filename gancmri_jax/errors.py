"""The one error that is the user's to mend: the command line prints it as a single line."""


class InputError(ValueError):
    """Something given by the user cannot be used.

    The message is one line: what is wrong, with which file or value, and what to do about it.
    Commands print it without a traceback and exit with status 2.
    """
