from __future__ import annotations

import gc

import pytest

from conformance.suite.lasting import for_good


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_is_left_as_it_was_found(was_enabled):
    """Whatever happens meanwhile, it is on afterwards if it was before, and off if it was off."""
    found = gc.isenabled()
    try:
        (gc.enable if was_enabled else gc.disable)()
        with pytest.raises(KeyError), for_good():
            raise KeyError
        assert gc.isenabled() is was_enabled
    finally:
        (gc.enable if found else gc.disable)()
        gc.unfreeze()


def test_what_was_made_is_not_looked_through_again():
    """Objects of the block are the collector's no more, so that it has less to go through."""
    try:
        with for_good():
            made = [[] for _ in range(1000)]
        assert not any(each is made[0] for each in gc.get_objects())
    finally:
        gc.unfreeze()
