"""The cause of a network error."""


def cause(error: BaseException) -> BaseException:
    """Give the innermost reason: the outer ones repeat the URL and addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
