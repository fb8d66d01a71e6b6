"""Subwords: a text as numbers and back. Byte pairs over letters and Hangul's jamo; what is neither is spelled in bytes.

Source: Sennrich 2016, "Neural Machine Translation of Rare Words with Subword Units", with the bytes of Radford 2019 as a way out, so
that no text is outside a vocabulary. Hangul is decomposed (NFKD), so that 사과 and 사과를 share pieces however rare the syllable.
A vocabulary is JSON: the list of merged pieces in order, or "bytes", which spells the text itself to the bit, for an encoder that has
a tokenizer of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush

from gesso.errors import GessoError

PAD, START, END, MASK = range(4)
FIRST_BYTE = 4
LETTERS = " " + "".join(chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper())
JAMO = "".join(chr(code) for low, high in ((0x1100, 0x1113), (0x1161, 0x1176), (0x11A8, 0x11C3)) for code in range(low, high))
ALPHABET = LETTERS + JAMO
FIRST_PIECE = FIRST_BYTE + 256 + len(ALPHABET)
BYTES = "bytes"
LONGEST = 30  # symbols of a piece
NUM_PIECES = 2048
KEPT = 20_000  # words whose numbers a vocabulary remembers
_LETTERS = re.compile(r"[^\W_]+")
_WORD = re.compile(r" ?[^\W\d_]+| ?\d| ?[^\w\s]| ?_| ")

Vocabulary = Sequence[str] | str


def folded(text: str) -> str:
    """The text in lower case, compatibility forms replaced, Hangul and accents decomposed, runs of white space as one space."""
    once = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(unicodedata.normalize("NFKD", once).split())


class Subwords:
    """A vocabulary: `encode` and `decode`. Numbers 0 to 3 are PAD, START, END and MASK."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.ranks = {piece: rank for rank, piece in enumerate(pieces)}
        if len(self.ranks) != len(pieces) or not all(isinstance(one, str) and 1 < len(one) <= LONGEST for one in pieces):
            raise GessoError("is not a vocabulary of subwords", where="vocabulary", fix="what `learn` gives")
        self.pieces = [*ALPHABET, *pieces]
        self.numbers = {piece: FIRST_BYTE + 256 + at for at, piece in enumerate(self.pieces)}
        self._known: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return FIRST_BYTE + 256 + len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """The numbers of the text's pieces, without START and END."""
        return [number for word in words_of(text) for number in self._numbers(word)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The folded text of numbers, composed (NFC); those of no piece are left out, and bytes that are no text become U+FFFD."""
        parts = []
        for number in numbers:
            at = number - FIRST_BYTE - 256
            if FIRST_BYTE <= number < len(self):
                parts.append(self.pieces[at].encode() if at >= 0 else bytes([number - FIRST_BYTE]))
        return unicodedata.normalize("NFC", b"".join(parts).decode("utf-8", "replace")).strip()

    def _numbers(self, word: str) -> tuple[int, ...]:
        found = self._known.get(word)
        if found is None:
            found = tuple(number for symbol in _merged(word, self.ranks) for number in self._spelled(symbol))
            if len(self._known) < KEPT:
                self._known[word] = found
        return found

    def _spelled(self, symbol: str) -> list[int]:
        number = self.numbers.get(symbol)
        return [FIRST_BYTE + byte for byte in symbol.encode()] if number is None else [number]


class Bytes:
    """The vocabulary "bytes": a text's own UTF-8."""

    def __len__(self) -> int:
        return FIRST_BYTE + 256

    def encode(self, text: str) -> list[int]:
        return [FIRST_BYTE + byte for byte in text.encode()]

    def decode(self, numbers: Iterable[int]) -> str:
        return bytes(n - FIRST_BYTE for n in numbers if FIRST_BYTE <= n < len(self)).decode("utf-8", "replace")


def subwords(vocabulary: Vocabulary) -> Subwords | Bytes:
    """The tokenizer of a vocabulary; GessoError where it is none. The same object for the same vocabulary."""
    return _subwords(vocabulary if isinstance(vocabulary, str) else tuple(vocabulary))


@lru_cache(maxsize=16)
def _subwords(vocabulary: tuple[str, ...] | str) -> Subwords | Bytes:
    if isinstance(vocabulary, str):
        if vocabulary != BYTES:
            raise GessoError(f"there is no vocabulary {vocabulary[:40]!r}", where="vocabulary", fix=f'a list of pieces, or "{BYTES}"')
        return Bytes()
    return Subwords(vocabulary)


def words_of(text: str) -> list[str]:
    """The words, digits and signs of a text as they are divided before pieces are merged, each with the space before it."""
    plain = folded(text)
    return _WORD.findall(" " + plain) if plain else []


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case, without signs, for comparing what two captions say."""
    return _LETTERS.findall(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def learn(texts: Iterable[str], num_pieces: int = NUM_PIECES, least: int = 2) -> list[str]:
    """A vocabulary of at most `num_pieces`: the pairs of symbols that are most frequent in the texts, merged one after another.

    Pairs seen fewer than `least` times are not merged. Equal counts are decided by the pieces' order, so that the same texts give the
    same vocabulary.
    """
    counts = Counter(word for text in texts for word in words_of(text))
    spelled = {word: [*word] for word in sorted(counts)}
    pairs: Counter[tuple[str, str]] = Counter()
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)

    def count(word: str, sign: int) -> set[tuple[str, str]]:
        """Add a word's pairs, or take them away; the pairs are returned."""
        found = [pair for pair in zip(spelled[word], spelled[word][1:], strict=False) if _may_merge(pair)]
        for pair in found:
            pairs[pair] += sign * counts[word]
            holders[pair].add(word)
        return set(found)

    for word in spelled:
        count(word, 1)
    waiting = [(-often, pair) for pair, often in pairs.items()]
    heapify(waiting)
    pieces: dict[str, None] = {}
    while len(pieces) < num_pieces and waiting:
        often, best = heappop(waiting)
        if pairs[best] != -often:  # an older count
            continue
        if -often < least:
            break
        pieces["".join(best)] = None
        changed: set[tuple[str, str]] = set()
        for word in sorted(holders.pop(best)):
            changed |= count(word, -1)
            spelled[word] = _joined(spelled[word], best)
            changed |= count(word, 1)
        for pair in changed:
            heappush(waiting, (-pairs[pair], pair))
    return list(pieces)


def _may_merge(pair: tuple[str, str]) -> bool:
    """Whether both are of the alphabet or merged, and the piece is not too long. What is spelled in bytes is never merged."""
    return all(len(one) > 1 or one in ALPHABET for one in pair) and len(pair[0]) + len(pair[1]) <= LONGEST


def _joined(symbols: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with each occurrence of the pair as one."""
    out: list[str] = []
    for symbol in symbols:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return out


def _merged(word: str, ranks: dict[str, int]) -> list[str]:
    """The word's symbols after all merges, the earliest learned first."""
    symbols = [*word]
    while len(symbols) > 1:
        ranked = [(ranks.get(a + b, len(ranks)), at) for at, (a, b) in enumerate(zip(symbols, symbols[1:], strict=False))]
        rank, at = min(ranked)
        if rank == len(ranks):
            break
        symbols[at : at + 2] = ["".join(symbols[at : at + 2])]
    return symbols
