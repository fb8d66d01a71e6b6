"""Adversarial training as a kit: a game of generators and critics, put together from objectives, terms, penalties and augmentation."""

from gesso.families.adversarial.game import Adversarial, Round, Seat, Term, Turn
from gesso.judgement import Judgement

__all__ = ["Adversarial", "Judgement", "Round", "Turn", "Seat", "Term"]
