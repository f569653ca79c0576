"""The two texts of colab 3.  They are found and shown; a person marks them."""

from grader.authoring import Written

DESCRIPTION = Written(
    key="description",
    title="Description of the method",
    points=8,
    headings=(
        *("description", "describe", "method", "approach", "explanation"),
        *("描述", "方法", "說明", "说明", "介紹", "介绍", "敘述", "叙述"),
    ),
    prompts=(
        "Description of the methodology (Transformer Model, Training)",
        "Write a description of the method for this part.",
    ),
)

DISCUSSION = Written(
    key="discussion",
    title="Conclusions and discussions",
    points=8,
    headings=(
        *("conclusion", "discussion", "discuss", "concluding", "reflection", "observation"),
        *("結論", "结论", "討論", "讨论", "心得", "總結", "总结", "結語", "结语"),
    ),
    prompts=("Conclusions and discussions",),
)
