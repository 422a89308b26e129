"""Check `language`: a column's text is in one of some languages. Owner of py3langid."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from sdspec.contracts import Check, Verdict
from sdspec.errors import did_you_mean
from sdspec.rows import valid_text
from sdspec.store.jsontext import text_of

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_CODES = """
    ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr
    fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko
    ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru
    rw sa sdh se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue
    zh zu
"""
LANGUAGES = frozenset(_CODES.split())
"""The codes that py3langid knows, mostly ISO 639; written down, since reading its model takes a second."""
READ_CHARS = 5000
"""The beginning of a text tells its language; 5000 characters take half a millisecond."""


def _known(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"no language code. {did_you_mean(code, LANGUAGES)}")
    return code


class Language(Check):
    """Adds up how likely each of the languages is; a short text, null too, passes, since nobody could tell.

    In a worker process: the model takes a second to read, and 0.1 GB of memory. A value that is no text counts as its
    JSON text. Of 46 sentences of 20 to 50 characters in English, German, French and Spanish all had more than 0.28 for
    their own language, and at most 0.04 for any of the other three.
    """

    in_process: ClassVar[bool] = False
    batch: ClassVar[int] = 64

    languages: tuple[Annotated[str, AfterValidator(_known)], ...] = Field(
        description="Codes of the languages that pass, e.g. [en, de]."
    )
    min_confidence: float = Field(
        0.25, ge=0, le=1, description="Least probability, from 0 to 1, that the text is in one of the languages."
    )
    min_chars: int = Field(20, ge=1, description="Shorter texts pass unexamined: their language cannot be told.")

    def problems(self, constants: Mapping[str, Any]) -> list[str]:
        """A list without a language."""
        return [] if self.languages else ["languages is empty, so that nothing would pass."]

    def deciding(self) -> dict[str, Any]:
        """The settings, and the version of the library, which brings the model."""
        return {**super().deciding(), "py3langid": version("py3langid")}

    def examine(self, value: Any) -> Verdict:
        """Reason `language`, with the likeliest one; it and its probability are evidence."""
        text = valid_text(text_of(value)).strip()
        if len(text) < self.min_chars:
            return Verdict(True, evidence={"too_short_to_tell": len(text)})
        found = _probabilities(text[:READ_CHARS])
        likeliest = max(found, key=found.__getitem__)
        share = round(sum(found[code] for code in set(self.languages)), 3)
        evidence = {"language": likeliest, "confidence": round(found[likeliest], 3), "wanted": share}
        if share >= self.min_confidence:
            return Verdict(True, evidence=evidence)
        detail = (
            f"{likeliest} with confidence {found[likeliest]:.2f}; {' or '.join(self.languages)} has {share:.2f}, "
            f"and {self.min_confidence:.2f} is wanted"
        )
        return Verdict(False, "language", detail, evidence)


@lru_cache(maxsize=1)
def _model() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _probabilities(text: str) -> dict[str, float]:
    """For each language how likely the text is in it; together 1."""
    return dict(_model().rank(text))
