"""The two texts of colab 3.  They are found and shown; a person marks them."""

from grader.authoring import Written

DESCRIPTION = Written(
    key="description",
    title="Description of the method",
    points=8,
    headings=("description", "method", "methodology", "描述", "方法", "說明", "说明", "介紹"),
)

DISCUSSION = Written(
    key="discussion",
    title="Conclusions and discussions",
    points=8,
    headings=("conclusion", "discussion", "結論", "结论", "討論", "讨论", "心得"),
)
