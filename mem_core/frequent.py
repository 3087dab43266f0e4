"""Which words are frequent, by CLIP's vocabulary: its byte pairs were merged in that order, in text from the web."""

from functools import lru_cache

_EDGES = ".,;:!?\"'()[]{}-"


@lru_cache(maxsize=8)
def frequent_words(count: int) -> frozenset[str]:
    """The `count` most frequent whole words, lower case, letters only."""
    from mem_core.models import Tokenizer  # here, as it loads torch

    tokenizer = Tokenizer(context_length=77)
    spelled = (tokenizer.spelling(index) for index in range(tokenizer.size))
    words = [word.removesuffix("</w>") for word in spelled if word.endswith("</w>")]
    return frozenset([word for word in words if word.isascii() and word.isalpha()][:count])


def is_common(word: str, known: frozenset[str]) -> bool:
    """Whether a word of a caption, without the marks at its ends, is in the list or is none of letters at all."""
    bare = word.strip(_EDGES).lower()
    return not any(letter.isalpha() for letter in bare) or bare in known
