"""The words of instructions against the classes of tasks, which neither folder imports from the other."""

from gateway.instructions.lexicon import TASKS
from gateway.tasks.classifier import TASK_NAMES


def test_a_condition_can_name_each_class_of_the_built_in_classifier_and_no_other() -> None:
    assert set(TASK_NAMES) == TASKS
