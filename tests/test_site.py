"""The built site, opened page by page in a headless browser that refuses every request to another host."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from fixture_book import write_fixture_book
from playwright.sync_api import Browser, Page, Route, sync_playwright
from site_items import FIGURES, TABLES, faults

from xrdscape.book import Book, build_book

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROJECT = Book()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = f"no browser found, looked for {', '.join(BROWSERS)}"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )


@pytest.fixture(scope="module")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    book = write_fixture_book(tmp_path_factory.mktemp("site") / "book")
    build_book(book, say=lambda line: None)
    return book.site


@pytest.fixture(scope="module")
def site() -> Path:
    """The project's own site, built first where it is missing."""
    if not (PROJECT.site / "index.html").exists():
        build_book(PROJECT)
    return PROJECT.site


def open_page(browser: Browser, path: Path) -> tuple[Page, list[str]]:
    """The loaded page and everything that went wrong while it loaded, after its formulas are set."""
    page = browser.new_page()
    wrong: list[str] = []

    def local_only(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"request to {route.request.url}")
            route.abort()

    page.route("**/*", local_only)
    page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.goto(path.as_uri())
    page.evaluate("window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => true) : true")
    return page, wrong


def broken_images(page: Page) -> list[str]:
    """Sources of images without content. Lazy images count once they were asked to load."""
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page.evaluate("[...document.images].filter(image => image.naturalWidth === 0).map(image => image.src)")


def unset_formulas(page: Page) -> list[str]:
    """Formulas that MathJax left as written, as it does with a whole page when it cannot load a part of itself."""
    return page.evaluate(
        "[...document.querySelectorAll('.math')].filter(m => !m.querySelector('mjx-container')).map(m => m.innerText)"
    )


def broken_links(page: Page, root: Path) -> list[str]:
    """Links within the site whose page or anchor does not exist."""
    broken = []
    for link in page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)"):
        parts = urlparse(link)
        if parts.scheme != "file":
            continue
        target = Path(unquote(parts.path))
        target = target / "index.html" if target.is_dir() else target
        if not (target.is_relative_to(root.resolve()) and target.exists()):
            broken.append(link)
        elif parts.fragment and target.suffix == ".html":
            anchor = re.escape(unquote(parts.fragment))
            if not re.search(f'(id|name)="{anchor}"', target.read_text(encoding="utf8")):
                broken.append(link)
    return broken


def check_pages(browser: Browser, root: Path) -> None:
    pages = sorted(path for path in root.rglob("*.html") if "_static" not in path.parts)
    assert len(pages) > 3
    for path in pages:
        page, wrong = open_page(browser, path)
        assert wrong == [], path.name
        assert broken_images(page) == [], path.name
        assert broken_links(page, root) == [], path.name
        assert page.locator("mjx-merror, .MathJax_Error").count() == 0, f"{path.name}: a formula is not understood"
        assert unset_formulas(page) == [], f"{path.name}: a formula stands as its source"
        page.close()


def test_small_site_is_sound(browser: Browser, small_site: Path) -> None:
    check_pages(browser, small_site)


def test_small_site_numbers_and_hides(browser: Browser, small_site: Path) -> None:
    page, _ = open_page(browser, small_site / "chapters" / "01-sum.html")
    assert page.locator("mjx-container").count() > 0
    assert page.locator(".eqno").first.inner_text().startswith("(2.1)")
    assert page.locator("#table-squares .caption-number").inner_text().strip() == "Table 2.1"
    assert "UNWANTED" not in page.content()
    assert page.locator(".search-button-field:visible, form.bd-search:visible").count() == 1
    page.close()
    page, _ = open_page(browser, small_site / "chapters" / "02-plot.html")
    caption = page.locator("figure#fig-line figcaption").inner_text()
    assert "Figure 3.1" in caption
    assert "chapter one found 6.0" in caption
    assert page.locator(".dropdown-download-buttons a[href$='.ipynb'], a.btn-download-source-button").count() >= 1
    page.close()


def test_site_is_sound(browser: Browser, site: Path) -> None:
    check_pages(browser, site)


@pytest.mark.parametrize("label", FIGURES + TABLES)
def test_every_item_of_the_paper_has_its_place(site: Path, label: str) -> None:
    """Each label stands once, with all that belongs to an item of the paper, and the first page links to it."""
    holders = [p for p in (site / "chapters").glob("*.html") if f'id="{label}"' in p.read_text(encoding="utf8")]
    assert len(holders) == 1, label
    assert faults(holders[0].read_text(encoding="utf8"), label) == []
    assert f'href="chapters/{holders[0].name}#{label}"' in (site / "index.html").read_text(encoding="utf8")
