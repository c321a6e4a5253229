"""The page that tells of the benchmarks: each writes its findings between its own marks."""


def filled(page: str, mark: str, text: str) -> str:
    """Give ``page`` with what is between ``<!-- mark -->`` and ``<!-- /mark -->`` written anew.

    Raises:
        ValueError: it has no such marks.

    """
    opening, closing = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, opened, rest = page.partition(opening)
    _, closed, after = rest.partition(closing)
    if not (opened and closed):
        raise ValueError(f"the page has no place between {opening.strip()} and {closing}")
    return f"{before}{opened}{text}\n{closed}{after}"
