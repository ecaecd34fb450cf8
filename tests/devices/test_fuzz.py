"""Ten thousand made-up messages for every decoder; `make soak` tries a million."""

from tests.soak.fuzz_profiles import Fuzz


def test_no_message_makes_a_decoder_do_anything_but_read_or_refuse_it() -> None:
    seen = Fuzz(seed=20).run(10_000)
    assert sum(seen.values()) == 10_000
    assert min(seen["decoded"], seen["refused"], seen["uplinks"]) > 400
