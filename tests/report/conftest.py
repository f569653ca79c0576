"""Gradebooks made up from the model's own types."""

import numpy as np
import pytest
from msgspec.structs import replace

from grader.model import (
    CellFailure,
    Counterexample,
    Execution,
    FileNote,
    Finding,
    Found,
    Grade,
    Gradebook,
    Judgement,
    NotebookCell,
    NotebookGrade,
    Outcome,
    Place,
    Record,
    Submission,
    Verdict,
)
from grader.report.pages import student_pages


def student_page(grade, gradebook):
    """The page of one student among those of a gradebook."""
    others = tuple(other for other in gradebook.grades if other is not grade)
    return next(student_pages(replace(gradebook, grades=(grade, *others))))[1]


class Maker:
    """Model values with everything that a test does not speak of filled in."""

    def verdict(self, claim="it is right", outcome=Outcome.PASSED, possible=2.0, **given):
        earned = {Outcome.PASSED: possible, Outcome.NEEDS_REVIEW: None, Outcome.ERROR: None}
        given.setdefault("earned", earned.get(outcome, 0.0))
        return Verdict(claim, outcome, possible=possible, **given)

    def question(self, key="softmax", *verdicts, **given):
        """A question whose points and outcome follow from its verdicts, unless given."""
        verdicts = verdicts or (self.verdict(),)
        earned = [verdict.earned for verdict in verdicts]
        given.setdefault("earned", None if None in earned else sum(earned))
        given.setdefault("possible", sum(verdict.possible for verdict in verdicts))
        if "outcome" not in given:
            if given["earned"] is None:
                given["outcome"] = Outcome.NEEDS_REVIEW
            elif given["earned"] == given["possible"]:
                given["outcome"] = Outcome.PASSED
            else:
                given["outcome"] = Outcome.PARTIAL if given["earned"] else Outcome.FAILED
        given.setdefault("title", f"The {key}")
        return Judgement(key, verdicts=verdicts, **given)

    def text(self, key="method", earned=None, text="We train a *transformer*.", **given):
        given.setdefault("outcome", Outcome.NEEDS_REVIEW if earned is None else Outcome.PASSED)
        given.setdefault("possible", 4.0)
        return Judgement(
            key, f"The {key}", earned=earned, verdicts=(), written=True, text=text, **given
        )

    def record(self, cells=("x = 1",), execution=None, student="B10901027", notebook="colab1"):
        made = tuple(
            cell if isinstance(cell, NotebookCell) else NotebookCell("code", cell) for cell in cells
        )
        submission = Submission(student, notebook, f"{student}.ipynb", "ab" * 32, made)
        return Record(submission, execution or Execution(Outcome.PASSED), {}, "key")

    def notebook(self, key="colab1", *judgements, outcome=Outcome.PASSED, **given):
        return NotebookGrade(key, outcome, judgements or (self.question(),), **given)

    def absent(self, key, *judgements):
        """A notebook that was not handed in: every claim is there, and missing."""
        return NotebookGrade(key, Outcome.MISSING, tuple(map(self._nothing, judgements)))

    def _nothing(self, judgement):
        verdicts = tuple(
            Verdict(v.claim, Outcome.MISSING, 0.0, v.possible) for v in judgement.verdicts
        )
        return Judgement(
            judgement.question,
            judgement.title,
            Outcome.MISSING,
            0.0,
            judgement.possible,
            verdicts,
            written=judgement.written,
        )

    def grade(self, *notebooks, student="B10901027", **given):
        return Grade(student, notebooks or (self.notebook(),), **given)

    def gradebook(self, *grades, files=()):
        return Gradebook(
            assignment="week14",
            title="Homework 10: self-attention and transformers",
            digest="0123456789abcdef" * 4,
            seed=14,
            kernel="cold",
            rung="A",
            grades=grades,
            files=tuple(files),
        )

    def failing(self, got, expected, said="they differ", **given):
        """A grade in which one claim fails on exactly these values."""
        shown = Counterexample("softmax(<array (4,)>)", got, expected, said)
        finding = Finding(given.pop("advice", "Divide by the sum."), None, shown)
        failed = self.verdict("it is right", Outcome.FAILED, 4.0, finding=finding)
        question = self.question("softmax", failed, finding=finding, **given)
        return self.grade(self.notebook("colab1", question))

    def rich_class(self, students=6):
        """A class in which everything occurs once: the pages' and terminal's show-piece."""
        return _rich_class(self, students)


@pytest.fixture
def make():
    return Maker()


SOFTMAX = """# Softmax of the scores, 由同學完成
def softmax(items_in):
    # 先取指數,再除以總和;這一行很長,用來看看頁面在手機上會不會被撐寬 ------------- end
    e_x = np.exp(items_in - np.max(items_in))
    return e_x / e_x.sum(axis=0)

print("of three:", softmax(np.array([1.0, 2.0, 3.0])), softmax(np.zeros(4)), "and more")
"""
ATTENTION = '''def self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """Self attention for all tokens at once."""
    V = omega_v @ X
    Q = omega_q @ X
    K = omega_k @ X
    A = softmax_cols(Q.T @ K)
    return V @ A
'''
ENCODING = """class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.cos(position * div_term)
        pe[:, 1::2] = torch.sin(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0)])
"""


def _encoding(rows, columns, first, second):
    angle = np.arange(rows)[:, None] / 10000 ** (np.arange(0, columns, 2) / columns)
    made = np.zeros((rows, columns))
    made[:, 0::2], made[:, 1::2] = first(angle), second(angle)
    return made


def _rich_class(make, students):
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(5, 5))
    weights = np.exp(scores) / np.exp(scores).sum(0)
    wrong = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    head = rng.normal(size=(14, 9))
    off = head.copy()
    off[3:6] *= 0.4
    off[7, 2] = np.nan
    axis = Finding(
        "Your softmax divides by the sum of each row; each column must add up to one, because a "
        "column of the scores belongs to one query. Sum over the rows: `axis=0`.",
        "softmax_axis",
        Counterexample(
            "softmax_cols(<array (5, 5)>)",
            wrong,
            weights,
            "25 of 25 values differ, most at [2, 1]: got 0.0912, expected 0.318",
        ),
        Place(3, 5),
    )
    biases = Finding(
        "You leave out beta_v, beta_q and beta_k (eqs. 12.2 and 12.4). Without them the head can "
        "only turn and stretch its tokens.\n\nAdd each: `V = beta_v + omega_v @ X`.",
        "no_biases",
        Counterexample(
            "self_attention(<array (14, 9)>, <array (14, 14)>, <array (14, 14)>, <array (14, 14)>, "
            "<array (14, 1)>, <array (14, 1)>, <array (14, 1)>)",
            off,
            head,
            "28 of 126 values differ, most at [7, 2]: got nan, expected 0.31",
        ),
    )
    vector = Finding(
        "",
        None,
        Counterexample(
            "softmax([2.0, 2.0, 2.0, 2.0])",
            np.ones(4) / 2,
            np.ones(4) / 4,
            "4 of 4 values differ, most at [0]: got 0.5, expected 0.25",
        ),
    )
    strips = Finding(
        "You put the cosine in the even columns and the sine in the odd ones; it is the other way "
        "round (slide 21): `pe[:, 0::2]` takes the sine.",
        "sine_and_cosine_swapped",
        Counterexample(
            "PositionalEncoding(24)(<array (30, 1, 24)>)",
            _encoding(30, 24, np.cos, np.sin)[:, None],
            _encoding(30, 24, np.sin, np.cos)[:, None],
            "720 of 720 values differ, most at [0, 0, 0]: got 1, expected 0",
        ),
        Place(2, 8),
    )
    number = Counterexample("number_of_parameters(model)", 12_345_678, 13_828_478.0, "got 12345678")
    raised = Counterexample(
        "self_attention(<array (4, 1)>, ...)",
        None,
        np.arange(4.0).reshape(4, 1),
        "raised ValueError: matmul: Input operand 1 has a mismatch in its core dimension 0, with "
        "gufunc signature (n?,k),(k,m?)->(n?,m?) (size 4 is different from 3)",
    )
    shapes = Counterexample("attend(<array (3, 4)>)", np.ones((4, 3)), np.eye(3), "shapes differ")

    verdict, question = make.verdict, make.question
    softmax = question(
        "softmax",
        verdict("the weights are those of eq. 12.5", Outcome.FAILED, 4.0, finding=axis),
        verdict("the weights sum to one", Outcome.FAILED, 1.0, finding=vector),
        verdict("every weight is positive", possible=1.0),
        verdict(
            "large scores do not overflow",
            Outcome.FAILED,
            0.0,
            finding=Finding("Subtract the largest score before `exp`: it changes nothing else."),
        ),
        finding=axis,
        title="Softmax of the scores",
        found=Found("softmax", Place(3, 2), 5),
    )
    attention = question(
        "self_attention",
        verdict("it is right without biases", possible=6.0),
        verdict("it is right with biases", Outcome.FAILED, 6.5, finding=biases),
        verdict(
            "it works for one token", Outcome.RAISED, 2.5, finding=Finding("", shown_by=raised)
        ),
        finding=biases,
        title="Self-attention in one go, 一次算完",
        found=Found("attention", Place(4, 1), 7, "renamed: the function with the same parameters"),
        flags=("follow_through", "fixed_sizes"),
    )
    loops = question("all_x_prime", verdict("each token is attended to", possible=10.0))
    encoding = question(
        "positional_encoding",
        verdict("it is the encoding of slide 21", Outcome.FAILED, 8.0, finding=strips),
        verdict("it keeps the shape", possible=2.0),
        finding=strips,
        title="Positional encoding",
        found=Found("PositionalEncoding", Place(2, 1), 13),
    )
    parameters = question(
        "parameters",
        verdict(
            "the parameters are counted", Outcome.FAILED, 3.0, finding=Finding("", None, number)
        ),
        verdict("the shape is right", Outcome.FAILED, 2.0, finding=Finding("", None, shapes)),
    )
    heads = question(
        "multi_head",
        verdict("two heads agree with eq. 12.12", Outcome.BLANK, 15.0),
        outcome=Outcome.BLANK,
        finding=Finding("Start from your function of colab 1: a head is the same with fewer rows."),
        title="Two heads",
        found=Found("multihead_scaled_self_attention", Place(2, 1), 2),
    )
    generate = question(
        "generate",
        verdict("the sampled words follow the temperature", Outcome.BLOCKED, 15.0),
        outcome=Outcome.BLOCKED,
        title="Text generation",
    )
    described = (
        "# 方法說明\n\n我們使用 **transformer** 模型,訓練 3 個 epoch。\n\n"
        "- 學習率 5\n- `clip` 0.25\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    )
    colab1 = make.notebook(
        "colab1",
        softmax,
        loops,
        attention,
        record=make.record(
            [NotebookCell("markdown", "# 作業"), "import numpy as np", SOFTMAX, ATTENTION],
            Execution(
                Outcome.RAISED,
                (CellFailure(Place(6, 2), "NameError: name 'all_x' is not defined"),),
                (9,),
                ("`!pip install transformers` was left out: nothing is installed here",),
            ),
        ),
    )
    colab2 = make.notebook(
        "colab2", heads, record=make.record(["import numpy as np", "def multi(X):\n    ..."])
    )
    colab3 = make.notebook(
        "colab3",
        encoding,
        parameters,
        generate,
        make.text("method", text=described),
        make.text("discussion", 3.0, "It works.", finding=Finding("Compare with a baseline.")),
        record=make.record(["import torch", ENCODING]),
    )
    grades = [make.grade(colab1, colab2, colab3, student="B10901027", name="學生甲")]
    whole = [
        make.notebook("colab1", question("softmax", verdict(possible=6.0)), loops),
        make.notebook("colab2", question("multi_head", verdict(possible=15.0))),
        make.notebook("colab3", question("positional_encoding", verdict(possible=10.0))),
    ]
    grades.append(make.grade(*whole, student="B10901099", name="學生乙"))
    broken = make.notebook(
        "colab1",
        *(
            question(key, verdict(outcome=Outcome.ERROR), outcome=Outcome.ERROR)
            for key in ("softmax", "all_x_prime")
        ),
        outcome=Outcome.ERROR,
        problem="not a notebook: JSON breaks off at line 214 (upload cut short?)",
    )
    grades.append(
        make.grade(
            broken, colab2, make.absent("colab3", encoding), student="R13940022", name="學生丙"
        )
    )
    unsure = question(
        "softmax",
        verdict("the weights are those of eq. 12.5", Outcome.NEEDS_REVIEW, 6.0),
        finding=Finding("two definitions of softmax disagree"),
    )
    grades.append(
        make.grade(
            make.notebook("colab1", unsure, loops), colab2, colab3, student="R13940001", name="Ana"
        )
    )
    absent = [make.absent(n.notebook, *n.judgements) for n in (colab1, colab2, colab3)]
    grades.append(make.grade(*absent, student="T00000001", flags=("lateness_not_checked",)))
    for number in range(students - len(grades)):
        earned = float(np.clip(rng.normal(70, 14), 0, 90))
        parts = [
            make.notebook(
                key,
                softmax
                if number % 3 == 0
                else question(
                    "softmax", verdict("it is right", Outcome.PARTIAL, 30.0, earned=earned / 3)
                ),
            )
            for key in ("colab1", "colab2", "colab3")
        ]
        grades.append(make.grade(*parts, student=f"R1394{1000 + number}"))
    files = [
        FileNote("B10901027_week14_colab1_homework.ipynb", "graded"),
        FileNote("R13940022_colab1.ipynb", "needs_person", "", "R13940022", "colab1", "JSON"),
        FileNote("homework final.ipynb", "needs_person", reason="no student id in the name"),
        FileNote("B10901027_week14_colab1_homework(1).ipynb", "superseded", reason="older"),
        FileNote("notes.txt", "ignored", reason="not a notebook"),
    ]
    return make.gradebook(*grades, files=files)
