"""Check `language`: which language a text is in, and when nobody can tell."""

from importlib.metadata import version

import pytest
from pydantic import ValidationError

from sdspec.checks.language import LANGUAGES, READ_CHARS, Language

SENTENCES = {
    "en": ("Why is the sky blue?", "A river carries water from the hills to the sea.", "Water boils at 100 degrees."),
    "de": ("Warum ist der Himmel blau?", "Ein Fluss trägt Wasser von den Bergen zum Meer."),
    "fr": ("Pourquoi le ciel est-il bleu ?", "Les plantes ont besoin de lumière et d'eau."),
    "es": ("¿Por qué el cielo es azul?", "Las plantas necesitan luz y agua para crecer."),
}


def check(*languages, **options):
    return Language(column="answer", languages=languages, **options)


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_pass_in_their_own_language_alone(language):
    """One plain sentence is enough to tell common languages apart with the default settings."""
    for own, texts in SENTENCES.items():
        for text in texts:
            assert check(language).examine(text).ok == (own == language), text


def test_one_of_several_languages_is_enough():
    """The probabilities of the languages are added up."""
    both = [text for own in ("en", "de") for text in SENTENCES[own]]
    assert all(check("en", "de").examine(text).ok for text in both)
    assert not any(check("fr", "es").examine(text).ok for text in both)


def test_a_reject_says_what_was_found():
    """The likeliest language, its confidence, and how much of what was wanted is there; rounded evidence too."""
    verdict = check("en", "fr").examine("Warum ist der Himmel blau?")
    assert (False, "language") == (verdict.ok, verdict.reason)
    assert verdict.detail == "de with confidence 0.95; en or fr has 0.00, and 0.25 is wanted"
    assert verdict.evidence["language"] == "de"
    assert verdict.evidence["confidence"] == pytest.approx(0.95, abs=0.01)


def test_confidence_is_a_bound():
    """A short sentence is less sure than a long one, and fails a higher bound."""
    assert check("en", min_confidence=0.9).examine("A river carries water from the hills to the sea.").ok
    assert not check("en", min_confidence=0.9).examine("Water boils at 100 degrees.").ok


@pytest.mark.parametrize("value", ["", "Bonjour !", None, "   oui   " + " " * 40, 12, ["oui"]])
def test_short_texts_pass_with_evidence(value):
    """Nobody can tell the language of a few characters; null is the empty text."""
    verdict = check("en").examine(value)
    assert verdict.ok
    assert set(verdict.evidence) == {"too_short_to_tell"}


def test_min_chars_says_what_is_short():
    """With a lower bound short texts are examined."""
    assert check("en").examine("Das ist gut").ok
    assert not check("en", min_chars=5).examine("Das ist gut").ok


def test_other_values_and_odd_texts():
    """A list counts as its JSON text; characters that are none do no harm; only the beginning is read."""
    assert check("en").examine(["Why is the sky blue?", "Because of the air."]).ok
    assert check("en").examine("Why is the sky blue? \ud800").ok
    beginning = (" ".join(SENTENCES["fr"]) + " ").ljust(READ_CHARS, "x")
    assert check("en").examine(beginning + SENTENCES["en"][0] * 99) == check("en").examine(beginning)


def test_unknown_codes_are_refused_with_the_nearest():
    """A code that the library does not know is an error that names what it knows."""
    with pytest.raises(ValidationError, match=r"no language code\. Did you mean 'en'\? Known: ace, af"):
        check("de", "eng")


def test_the_codes_are_those_of_the_library():
    """The list that is written down is the one of the model, without its code for no language at all."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert set(LanguageIdentifier.from_model_file(MODEL_FILE).labels) - {"zxx"} == LANGUAGES


def test_the_library_decides():
    """Another version of the library has other verdicts in the journal, and runs off the event loop."""
    assert check("en").deciding()["py3langid"] == version("py3langid")
    assert not Language.in_process
