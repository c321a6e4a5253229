"""What botocore works out from its data, shared by all clients of a test process.

Each step creates a session and up to five clients, and each of them would work it out again: half of the CPU time of a
step. All of it depends only on botocore's data and code, so the steps behave the same.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar

import botocore.client
import botocore.hooks
import botocore.session
from botocore.compat import accepts_kwargs
from botocore.hooks import BaseEventHooks, EventAliaser
from botocore.loaders import create_loader
from botocore.model import ServiceModel


def share_service_models() -> None:
    """Share the data of the services, their models, and what handlers of events are registered with."""
    botocore.session.create_loader = cache(create_loader)
    botocore.client.ServiceModel = _model  # type: ignore[assignment, misc] # is only called
    botocore.session.EventAliaser = _Aliaser  # type: ignore[misc] # a subclass
    botocore.hooks.accepts_kwargs = _takes_any_keyword  # type: ignore[assignment] # is only asked whether it is true


_MODELS: dict[str, ServiceModel] = {}


def _model(description: Mapping[str, Any], service_name: str) -> ServiceModel:
    return _MODELS.setdefault(service_name, ServiceModel(description, service_name))


class _Aliaser(EventAliaser):
    """Remembers the current name of each event, which botocore searches in its list of 200 former names."""

    _names: ClassVar[dict[str, str]] = {}

    def __init__(self, event_emitter: BaseEventHooks, event_aliases: Mapping[str, str] | None = None) -> None:
        super().__init__(event_emitter, event_aliases)
        self._alias_name_cache = self._names


def _takes_any_keyword(function: Callable[..., Any]) -> bool:
    """Return what botocore reads from the complete signature, which it has Python build for that."""
    code = getattr(function, "__code__", None)
    return bool(code.co_flags & inspect.CO_VARKEYWORDS if code else accepts_kwargs(function))
