"""The job summary."""

from promote.report import Report


def render(report: Report, context: object, job: object) -> str:
    return report.headline
