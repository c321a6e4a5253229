"""All questions, in the order in which they are asked: those on which most depends come first."""

from collections.abc import Mapping
from typing import Any

from conformance.questions import capacity, gateways, new_code, reads, revisions, transactions, versions
from conformance.questions.question import Question

QUESTIONS: Mapping[str, Question[Any]] = {
    question.id: question
    for group in (
        new_code.QUESTIONS,
        capacity.QUESTIONS,
        revisions.QUESTIONS,
        reads.QUESTIONS,
        revisions.PUBLICATIONS,
        gateways.QUESTIONS,
        reads.TABLES,
        transactions.QUESTIONS,
        versions.QUESTIONS,
    )
    for question in group
}
