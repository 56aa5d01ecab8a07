"""`irgen` over the stand-in of campaigns: run as a script with the arguments of `irgen`."""

from __future__ import annotations

import os

import pytest

from irgen.cli import main
from tests.irgen.fuzz import campaign_stand_in as stand_in

if __name__ == "__main__":
    stand_in.install(pytest.MonkeyPatch(), os.environ[stand_in.FATES])
    main()
