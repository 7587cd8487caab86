"""The one error that an operator sees: what, where, what to do next."""


class CitadelleError(Exception):
    """An operator's mistake or an environment that is not ready.

    The message is French, one or two lines, and ends with what to do next; the tasks
    print it on standard error and exit with code 2, without traceback.
    """
