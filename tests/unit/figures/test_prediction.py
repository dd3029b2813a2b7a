"""A prediction: false until something is chosen, as None would be, and remembered when its cell runs again."""

from __future__ import annotations

from collections.abc import Callable

from helpers.figures import Prediction


def test_a_prediction_without_a_browser_behaves_as_none(unique: Callable[[str], str]) -> None:
    prediction = Prediction(unique("prediction"), "both", "neither")
    assert not prediction
    assert (prediction or "none yet") == "none yet"
    assert repr(prediction) == "Your prediction: a (both), b (neither)"


def test_a_choice_is_named_with_its_letter(unique: Callable[[str], str]) -> None:
    prediction = Prediction(unique("prediction"), "both", "neither")
    prediction.choice = "b"
    assert prediction
    assert f"{prediction or 'none yet'}" == "b (neither)"


def test_a_cell_that_runs_again_keeps_the_choice_of_its_own_prediction(unique: Callable[[str], str]) -> None:
    name = unique("prediction")
    Prediction(name, "both", "neither").choice = "b"
    assert Prediction(name, "both", "neither").choice == "b"
    assert Prediction(unique("another"), "both", "neither").choice == ""
