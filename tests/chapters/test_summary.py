"""The sheet of formulas checks itself when it runs; here, that it checks what stands in the table."""

from __future__ import annotations

import re

from .reading import Chapter

CHAPTER = Chapter("summary")


def test_the_sheet_holds():
    assert "Every line but the receptive field holds.\n" in CHAPTER.run.printed


def test_the_receptive_field_by_the_rule_is_what_the_gradient_reaches():
    (line,) = [text for text in CHAPTER.run.printed if text.startswith("by the rule")]
    by_rule, by_gradient = map(int, re.findall(r"\d+", line))
    assert by_rule == by_gradient


def test_the_formulas_of_the_table_are_those_that_the_page_checks():
    """The table is TeX and the check is Python: each formula stands here once in both."""
    (check,) = [code for code, _ in CHAPTER.cells if "Every line" in code]
    for tex, python in [
        (r"\left\lfloor (n + 2p - k) / s \right\rfloor + 1", "(n + 2 * p - k) // s + 1"),
        (r"c' c k^2 + c'", "c_out * c * k**2 + c_out"),
        (r"c' c k^2 h w", "c_out * c * k**2 * h * w"),
        (r"\left\lfloor n / 2 \right\rfloor", "n // 2"),
        (r"s\,(n - 1) + k - 2p + q", "s * (n - 1) + k - 2 * p + q"),
        (r"c c' k^2 + c'", "c * c_out * k**2 + c_out"),
        (r"c c' k^2$ times the size of the *input*", "c * c_out * k**2 * n * n"),
        (r"n - 4\,(3 \cdot 2^D - 2)", "n - 4 * (3 * 2**depth - 2)"),
        (r"n = 2^D\,b + 4\,(2^D - 1)", "(n - 4 * (2**depth - 1)) % 2**depth == 0"),
        (r"p_j = e^{s_j} / \sum_{j'} e^{s_{j'}}", "scores.exp() / scores.exp().sum(1, keepdim=True)"),
        (r"-\sum \log p_t", "-probability.gather(1, right[:, None]).log().sum()"),
        (r"p_j - [\,j = t\,]", "probability - one_hot"),
        (r"\text{TP} / (\text{TP} + \text{FP} + \text{FN})", "tp.double().cpu() / (tp + fp + fn)"),
        (
            r"2\,\text{TP} / (2\,\text{TP} + \text{FP} + \text{FN})",
            "2 * tp.double().cpu() / (2 * tp + fp + fn)",
        ),
    ]:
        assert f"${tex}$" in CHAPTER.body or tex in CHAPTER.body, tex
        assert python in check, python
    assert r"r \leftarrow r + (k - 1)\,j$, then $j \leftarrow s\,j$" in CHAPTER.body
    assert "r, j = r + (k - 1) * j, s * j" in CHAPTER.body
    assert r"up-convolution | $r$ stays, $j \leftarrow j / 2$ |" in CHAPTER.body
    assert "j = j // 2  # the up-convolution" in CHAPTER.body
