"""What a model says becomes few events, bounded, and never a part of a secret."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.telemetry import Redactor
from orchestrator.worker.speech import Speech

SECRETS = ["hunter22", "unter22x", "22er", "abcabcabd", "hunter22-long"]
PIECES = st.lists(st.sampled_from(["h", "hunt", "er22", "unter22x", "22", "er", "abc", "abd", "a", "-long", " so "]))


def spoken(pieces, *, secrets=SECRETS, most=64_000):
    """The texts of all events, taken after every piece."""
    speech = Speech([Redactor(secrets)], most=most)
    entries = []
    for piece in pieces:
        speech.say(piece)
        entries += speech.take()
    return [entry.data["text"] for entry in [*entries, *speech.end()]]


@given(PIECES)
def test_however_it_is_cut_it_is_redacted_as_a_whole(pieces):
    assert "".join(spoken(pieces)) == Redactor(SECRETS).text("".join(pieces))


@given(PIECES, st.integers(0, 40))
def test_what_the_limit_leaves_holds_no_part_of_a_secret_either(pieces, most):
    whole, told = Redactor(SECRETS).text("".join(pieces)), "".join(spoken(pieces, most=most))
    assert whole.startswith(told)


def test_what_cannot_be_a_secret_is_told_at_once():
    assert spoken(["Once upon ", "a time"]) == ["Once upon ", "a time"]
    assert spoken(["the key is hunt", "er22."]) == ["the key is ", "[redacted]."]
    assert spoken(["we hunt", " deer"]) == ["we ", "hunt deer"]


def test_what_is_left_out_is_counted():
    speech = Speech(most=5)
    speech.say("one two three")
    text, note = speech.end()
    assert text.data == {"turn": 1, "text": "one t"}
    assert note.data == {"turn": 1, "text": "", "dropped": 8}


def test_turns_are_counted():
    speech = Speech()
    speech.say("one")
    [first] = speech.end_turn()
    assert speech.end_turn() == []
    speech.say("three")
    [third] = speech.take()
    assert (first.data["turn"], third.data["turn"]) == (1, 3)
