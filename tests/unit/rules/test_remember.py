"""What is asked again is not made again, and no more is kept than was said."""

import numpy as np

from gesso.rules.remember import Remembered


def test_the_same_question_has_the_same_answer_and_another_its_own():
    kept, made = Remembered[int](10), []

    def ask(array, told):
        return kept.get(array, told, lambda: made.append(told) or len(made))

    line = np.arange(6, dtype=np.uint8)
    assert ask(line, "a") == ask(line.copy(), "a") == 1
    assert ask(line, "b") == 2 and ask(line[::-1], "a") == 3 and ask(line.reshape(2, 3), "a") == 4
    assert ask(line.astype(np.int8), "a") == 5


def test_the_least_lately_asked_goes_first_and_one_may_be_larger_than_all():
    kept, made = Remembered[str](4), []

    def ask(n, size):
        return kept.get(np.array([n]), None, lambda: made.append(n) or str(n), size)

    ask(1, 2), ask(2, 2), ask(1, 2), ask(3, 2)
    assert made == [1, 2, 3]
    ask(1, 2), ask(2, 2)
    assert made == [1, 2, 3, 2]
    ask(9, 100)
    assert ask(9, 100) == "9" and made[-1] == 9
