"""Where pouta runs: in IPython or Jupyter, or in neither. IPython is not imported for that."""

from __future__ import annotations

import sys
from typing import Any


def shell() -> Any:
    """IPython's shell if this runs in one, else None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None
