from __future__ import annotations

import pytest
from variant_cases import make_base


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The bundle of the network, in float32."""
    folder = tmp_path_factory.mktemp("variants") / "base"
    make_base(folder)
    return folder
