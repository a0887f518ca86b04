"""The number of cases on the page is that of the tests."""

import ast

import parity_count
import pytest

# So much fewer or more cases than the page says may be there.
STALE = 0.05


def files_with_keras():
    for file in parity_count.TESTS.rglob("test_*.py"):
        names = {node.arg for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.arg)}
        if "keras" in names:
            yield file


def test_the_page_says_how_many_cases_there_are(request):
    items = request.session.items
    if not set(files_with_keras()) <= {item.path for item in items}:
        pytest.skip("not all tests are run")
    said = int(parity_count.LINE.search(parity_count.PAGE.read_text("utf-8"))[1])
    counted = sum(parity_count.counted(items).values())
    assert said == pytest.approx(counted, rel=STALE), "python tests/helpers/parity_count.py writes the number"


def test_the_line_is_found_again():
    line = parity_count.line({"layers": 3, "losses": 2})
    assert parity_count.LINE.search(line)[1] == "5"
