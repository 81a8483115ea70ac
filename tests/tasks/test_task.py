"""What heads and evaluations declare."""

from __future__ import annotations

from torch import nn

from registry.vocabulary import ItemScore
from tasks.avqa.head import READING_RATE, QuestionReadout
from tasks.event_localisation.head import SegmentClassifier
from tasks.event_localisation.weak import WeakSupervision
from tasks.task import Evaluation


def test_a_head_scales_the_rate_of_some_parameters() -> None:
    head = QuestionReadout(8, 6, 20, 9)
    assert head.lr_scale() == dict.fromkeys(head.question.parameters(), READING_RATE)
    assert SegmentClassifier(8, 3).lr_scale() == {}


def test_weak_supervision_scales_what_its_head_does() -> None:
    class Halved(SegmentClassifier):
        def lr_scale(self) -> dict[nn.Parameter, float]:
            return dict.fromkeys(self.classify.parameters(), 0.5)

    inner = Halved(8, 3)
    assert WeakSupervision(inner).lr_scale() == inner.lr_scale()


def test_an_item_is_a_tuple_of_name_score_and_kind() -> None:
    assert Evaluation({}, [ItemScore("clip", 0.5)]).items == [("clip", 0.5, "")]
