"""Caches compute a result once and keep no more than their limit."""

import numpy as np

from gesso.rules.cache import ArrayCache, ResultCache


def test_the_same_question_has_the_same_answer_and_another_its_own():
    kept, made = ArrayCache[int](10), []

    def ask(array, told):
        return kept.get(array, told, lambda: made.append(told) or len(made))

    line = np.arange(6, dtype=np.uint8)
    assert ask(line, "a") == ask(line.copy(), "a") == 1
    assert ask(line, "b") == 2 and ask(line[::-1], "a") == 3 and ask(line.reshape(2, 3), "a") == 4
    assert ask(line.astype(np.int8), "a") == 5


def test_the_least_lately_asked_goes_first_and_one_may_be_larger_than_all():
    kept, made = ArrayCache[str](4), []

    def ask(n, size):
        return kept.get(np.array([n]), None, lambda: made.append(n) or str(n), size)

    ask(1, 2), ask(2, 2), ask(1, 2), ask(3, 2)
    assert made == [1, 2, 3]
    ask(1, 2), ask(2, 2)
    assert made == [1, 2, 3, 2]
    ask(9, 100)
    assert ask(9, 100) == "9" and made[-1] == 9


def test_kinds_are_kept_apart_and_within_their_size():
    kept, made = ResultCache(), []

    def ask(kind, key, size=1, most=3):
        return kept.get(kind, key, lambda: made.append((kind, key)) or len(made), most, size)

    assert ask("a", 1) == ask("a", 1) == 1 and ask("b", 1) == 2
    ask("a", 2), ask("a", 3), ask("a", 1), ask("a", 4)
    assert made[2:] == [("a", 2), ("a", 3), ("a", 4)]
    assert ask("a", 1) == 1, "asked lately"
    ask("a", 2)
    assert made[-1] == ("a", 2), "the least lately asked had gone"
    ask("c", "large", size=9), ask("c", "large", size=9)
    assert made[-2:] == [("c", "large")] * 2, "what is larger than all there may be is not kept"
    ask("c", "small")
    assert ask("c", "small") == len(made)


def test_what_could_not_be_made_is_asked_again():
    kept = ResultCache()
    try:
        kept.get("a", 1, lambda: 1 // 0, 3)
    except ZeroDivisionError:
        pass
    assert kept.get("a", 1, lambda: 7, 3) == 7
