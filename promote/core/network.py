"""The cause of a network error."""


def cause(error: BaseException) -> BaseException:
    """Return the innermost error. The outer ones repeat the URL and contain the addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
