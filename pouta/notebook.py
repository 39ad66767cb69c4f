"""Where pouta runs: in IPython or Jupyter, or in neither. IPython is not imported for that."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import Any

SHOWN_BY = {"text/html": "as_html", "text/plain": "as_text"}  # functions of pouta.single
RESOURCE = ("openstack.resource", "Resource")


def shell() -> Any:
    """IPython's shell if this runs in one, else None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def show_resources() -> None:
    """IPython, where this runs in it, shows a single resource as a table from now on."""
    if running := shell():
        for form, function in SHOWN_BY.items():
            formatter = running.display_formatter.formatters[form]
            if formatter.for_type_by_name(*RESOURCE) is None:  # else the user has chosen
                formatter.for_type_by_name(*RESOURCE, partial(_show, function))


def _show(function: str, *given: Any) -> Any:
    # Not before something is shown: `single` knows servers and volumes, and this room does not.
    return getattr(importlib.import_module("pouta.single"), function)(*given)
