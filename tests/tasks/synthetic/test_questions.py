"""Questions are answerable, balanced and fit their vocabulary."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.questions import KINDS
from tasks.synthetic.dataset import QUESTIONS, TRAINING_QUESTIONS, TRAINING_REPEATS
from tasks.synthetic.questions import ANSWERS, LONGEST, REPEATS, ask, words
from tasks.synthetic.scene import CLASSES, COLOURS, PLACES, make_scene


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_questions_fit_the_vocabulary(seed):
    known = set(words())
    for question in ask(make_scene(seed, kind="ensemble"), seed=0):
        assert set(question.text.split()) <= known
        assert len(question.text.split()) <= LONGEST
        assert question.answer in ANSWERS
        assert question.kind in KINDS
        assert question.template.count("<") == len(question.values)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_answers_follow_from_the_scene(seed):
    scene = make_scene(seed, kind="ensemble")
    seen = [thing for thing in scene.things if thing.seen]
    for question in ask(scene, seed=0):
        if question.template == "Where is the <Object> ?":
            (thing,) = (t for t in seen if CLASSES[t.category] == question.values[0])
            assert question.answer == PLACES[thing.place]
        if question.template == "Is the <Colour> object sounding ?":
            (thing,) = (t for t in seen if COLOURS[t.colour] == question.values[0])
            assert question.answer == ("yes" if thing.heard else "no")
        if question.template == "Where is the object that sounds <FL> ?":
            starts = {PLACES[t.place]: t.heard[0] for t in seen if t.heard}
            picked = min(starts.values()) if question.values == ("first",) else max(starts.values())
            assert starts[question.answer] == picked


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_questions_of_a_scene_fit_its_item(seed):
    scene = make_scene(seed, kind="ensemble")
    assert len(ask(scene, seed=0)) <= QUESTIONS
    asked = ask(scene, seed=0, repeats=TRAINING_REPEATS)
    assert len(asked) <= TRAINING_QUESTIONS
    assert max(Counter(question.template for question in asked).values()) <= TRAINING_REPEATS
    assert len({question.text for question in asked}) == len(asked)


@pytest.mark.parametrize("repeats", [REPEATS, TRAINING_REPEATS])
def test_no_template_has_a_majority_answer(repeats):
    answers: dict[str, Counter] = {}
    for seed in range(1500):
        for question in ask(make_scene(seed, kind="ensemble"), seed=0, repeats=repeats):
            answers.setdefault(question.template, Counter())[question.answer] += 1
    assert set(KINDS) == {q.kind for seed in range(200) for q in ask(make_scene(seed, kind="ensemble"), seed=0)}
    for template, counts in answers.items():
        share = max(counts.values()) / sum(counts.values())
        assert share < 1 / len(counts) + 0.1, (template, counts)
