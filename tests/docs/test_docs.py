"""The documentation holds: examples run, outputs shown are those printed, tables are up to date."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from docs.generate import with_tables
from docs.pages import PAGES, ROOT, Example, commands, matches, read_page, run_page
from docs.picture import PICTURE, picture

NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
RUNNABLE = [name for name in NAMES if read_page((ROOT / name).read_text()).examples]
SCRIPTS = sorted(path.name for path in (ROOT / "docs" / "examples").glob("*.py"))
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", RUNNABLE)
def test_examples_run_and_print_what_is_shown(name: str, tmp_path: Path) -> None:
    page = read_page((ROOT / name).read_text())
    wrong: list[str] = []
    for example, printed in run_page(page, tmp_path):
        if example.output is not None and not matches(example.output.text, printed):
            wrong.append(f"{example.block.text}shown:\n{example.output.text}printed:\n{printed}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_up_to_date(name: str) -> None:
    text = (ROOT / name).read_text()
    assert with_tables(text) == text, "run `python -m docs.generate`"


def test_the_picture_is_up_to_date_small_and_fetches_nothing() -> None:
    text = PICTURE.read_text()
    assert _words(text) == _words(picture()), "run `python -m docs.generate`"
    assert len(text) < 60_000
    assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]


def _words(svg: str) -> str:
    """What the picture says; colours and their boundaries are the highlighter's."""
    return "".join(re.sub(r"<style>.*</style>|<[^>]*>", "", svg, flags=re.DOTALL).split())


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_run(
    script: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "docs" / "examples" / script), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", [*NAMES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in _LINK.findall(text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), target
        if anchor:
            assert anchor in _anchors(page.read_text()), target


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_first_block_of_the_readme_is_the_two_commands() -> None:
    first = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert first is not None
    assert [line.split("#")[0].strip() for line in commands(first[1])] == ["make demo", "make test"]


# The reading of pages.

PAGE = """
```toml
# own.toml
name = "own"
```
```sh
irgen sample \\
    -n 0
```
```text
shown
```
```sh
make demo
```
```python
print(1)
```

Words between.

```text
no output
```
"""


def test_examples_are_irgen_commands_and_python() -> None:
    page = read_page(PAGE)
    assert page.files == {"own.toml": '# own.toml\nname = "own"\n'}
    assert [_shown(example) for example in page.examples] == [("sh", "shown\n"), ("python", None)]
    assert commands(page.examples[0].block.text) == ["irgen sample      -n 0"]


def _shown(example: Example) -> tuple[str, str | None]:
    return example.block.language, example.output.text if example.output else None


def test_an_example_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="unknown op 'sine'"):
        list(run_page(read_page("```sh\nirgen ops sine\n```\n"), tmp_path))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(run_page(read_page("```python\n1 / 0\n```\n"), tmp_path))


def test_a_failure_that_is_announced_shows_its_message(tmp_path: Path) -> None:
    ((_, printed),) = run_page(read_page("```sh\nirgen ops sine # exit 2\n```\n"), tmp_path)
    assert printed.startswith("irgen: unknown op 'sine'")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("...\nd\n", "d\n", True),
        ("a\n...\n", "b\n", False),
        ("a\nc\n", "a\nb\nc\n", False),
    ],
)
def test_three_dots_stand_for_any_lines(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
