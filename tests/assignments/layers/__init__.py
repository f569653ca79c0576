"""Two layers of another course: an assignment as a teacher would write it, small enough to read."""

from pathlib import Path

from reference.layers import convolution, normalisation

from grader.authoring import Assignment, Notebook

HERE = Path(__file__).resolve().parent

ASSIGNMENT = Assignment(
    key="layers",
    title="Layers by hand",
    points={"lab": 15},
    notebooks={"lab": Notebook("Layers", [normalisation.QUESTION, convolution.QUESTION])},
    file_name="{notebook}-of-{student}.ipynb",
    solution=HERE / "solution",
    variants=HERE / "variants",
    wrong=HERE / "wrong",
)
