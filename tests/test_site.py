"""The built site, opened page by page in a headless browser that refuses every request to another host."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from fixture_book import write_fixture_book
from made_up import made_up_records
from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright
from site_items import FIGURES, TABLES, faults

from xrdscape.book.build import build_book
from xrdscape.book.explorer import results_explorer
from xrdscape.book.pages import Book
from xrdscape.crystal.structures import load_structure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROJECT = Book()

# Pages set their formulas as these come near the window.
SET_ALL_FORMULAS = """async () => {
  if (!window.MathJax || !MathJax.startup) return;
  await MathJax.startup.promise;
  await MathJax.startup.document.lazyTypesetAll();
}"""


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
    page.evaluate(SET_ALL_FORMULAS)
    return page, wrong


def broken_images(page: Page) -> list[str]:
    """Sources of images without content. Lazy images count once they were asked to load."""
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page.evaluate("[...document.images].filter(image => image.naturalWidth === 0).map(image => image.src)")


def unset_formulas(page: Page) -> list[str]:
    """Formulas that MathJax left as written, as it does with a whole page when it cannot load a part of itself."""
    return page.evaluate(
        "[...document.querySelectorAll('.math')].filter(math => !math.querySelector('mjx-container svg'))"
        ".map(math => math.innerText)"
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


def poor_descriptions(page: Page) -> list[str]:
    """Images without a description in words: none, or the name of a file."""
    images = page.evaluate("[...document.images].map(image => [image.src, image.alt])")
    return [source for source, alt in images if " " not in alt.strip() or re.search(r"\.(svg|png)$|/", alt)]


def check_pages(browser: Browser, root: Path) -> None:
    pages = sorted(path for path in root.rglob("*.html") if "_static" not in path.parts)
    assert len(pages) > 3
    for path in pages:
        page, wrong = open_page(browser, path)
        assert wrong == [], path.name
        assert broken_images(page) == [], path.name
        assert poor_descriptions(page) == [], path.name
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
    page, _ = open_page(browser, small_site / "index.html")
    assert page.locator("#table-plain caption").inner_text().startswith("On a page without a number.")
    assert page.locator("a[href='#table-plain']", has_text="below").count() == 1
    page.close()
    page, _ = open_page(browser, small_site / "chapters" / "02-plot.html")
    caption = page.locator("figure#fig-line figcaption").inner_text()
    assert "Figure 3.1" in caption
    assert "chapter one found 6.0" in caption
    assert page.locator(".dropdown-download-buttons a[href$='.ipynb'], a.btn-download-source-button").count() >= 1
    page.close()


def test_each_figure_can_be_downloaded_in_two_formats(browser: Browser, small_site: Path) -> None:
    page, _ = open_page(browser, small_site / "chapters" / "02-plot.html")
    for label in ("fig-line", "fig-same"):
        figure = page.locator(f"figure#{label}")
        assert figure.locator("img").count() == 1
        assert figure.locator(".figure-downloads").inner_text() == "SVG · PNG"
        files = [small_site / "_images" / f"{label}.{ending}" for ending in ("svg", "png")]
        links = figure.locator(".figure-downloads a").evaluate_all("links => links.map(link => link.href)")
        assert links == [path.as_uri() for path in files]
        assert files[0].read_text(encoding="utf8").lstrip().startswith("<?xml")
        with Image.open(files[1]) as picture:
            assert picture.info["dpi"][0] == pytest.approx(200, abs=0.1)
            assert picture.width > 500
    page.close()


def test_search_finds_a_page_in_a_folder_without_server(browser: Browser, small_site: Path) -> None:
    page, wrong = open_page(browser, small_site / "search.html")
    page.goto((small_site / "search.html").as_uri() + "?q=abscissa")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").first.get_attribute("href").startswith("chapters/02-plot.html")
    assert wrong == []
    page.close()


def test_index_leads_to_its_terms(browser: Browser, small_site: Path) -> None:
    page, _ = open_page(browser, small_site / "genindex.html")
    link = page.locator("table.genindextable a", has_text="abscissa")
    link.click()
    assert page.url.startswith((small_site / "chapters" / "02-plot.html").as_uri() + "#index-")
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_caption_of_a_wide_table_stays(browser: Browser, small_site: Path, width: int) -> None:
    page, _ = open_page(browser, small_site / "chapters" / "01-sum.html")
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.add_style_tag(content="#table-squares td { min-width: 900px }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    room, caption = page.locator(".pst-scrollable-table-container").first, page.locator("#table-squares caption")
    before = caption.bounding_box()
    room.evaluate("element => { element.scrollLeft = 200 }")
    assert room.evaluate("element => element.scrollLeft") == 200
    assert before is not None
    assert before == caption.bounding_box()
    assert before["x"] + before["width"] <= width
    page.close()


def test_print_has_the_text_alone(browser: Browser, small_site: Path) -> None:
    page, _ = open_page(browser, small_site / "chapters" / "02-plot.html")
    page.emulate_media(media="print")
    assert page.locator("figure#fig-line img").is_visible()
    for other in (".bd-sidebar-primary", ".bd-header-article", ".figure-downloads", ".headerlink"):
        assert page.locator(other).count() > 0, other
        assert not page.locator(other).first.is_visible(), other
    assert page.locator("article").bounding_box()["width"] > 0.9 * page.viewport_size["width"]
    page.close()


def test_explorer_shows_what_is_chosen(browser: Browser, tmp_path: Path) -> None:
    html = results_explorer(made_up_records(), level=0.1).data
    (tmp_path / "explorer.html").write_text(f"<!doctype html><meta charset=utf8>{html}", encoding="utf8")
    page, wrong = open_page(browser, tmp_path / "explorer.html")
    words = page.locator(".explorer .words")
    # The first shown is the most similar cosine result, none of which is a match.
    assert "copy 2: Cosine similarity 0.800, EMD 0.300 Å, no match" in words.inner_text()
    assert page.locator(".explorer .scatter circle:not(.ring)").count() == 6
    page.locator(".explorer .which").select_option("U2Ti")
    page.locator(".explorer .back").click()
    assert words.inner_text().startswith("U2Ti, copy 1: Cosine similarity 0.700")
    page.locator(".explorer .scatter circle").first.evaluate(
        """circle => { const box = circle.getBoundingClientRect();
        circle.ownerSVGElement.dispatchEvent(new MouseEvent("click", {clientX: box.x + 3, clientY: box.y + 3})) }"""
    )
    assert words.inner_text().startswith("U2Ti, copy 0: Cosine similarity 0.600")
    page.locator(".explorer .method").select_option("cosine_constrained")
    assert "a match" in words.inner_text()
    lengths = ", ".join(f"{length:.2f}" for length in load_structure("U2Ti").lattice.abc)
    assert words.inner_text().count(lengths) == 2

    edges = ".explorer .cell line"
    before = page.locator(edges).first.get_attribute("x1")
    box = page.locator(".explorer .cell").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.up()
    assert page.locator(edges).first.get_attribute("x1") != before
    assert page.locator(edges).count() == 24
    assert wrong == []
    page.close()


def test_site_is_sound(browser: Browser, site: Path) -> None:
    check_pages(browser, site)


def test_page_with_many_formulas_opens_with_those_in_view(browser: Browser, site: Path) -> None:
    """Setting all formulas of the first chapter takes a browser longer than all else that opens it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "chapters" / "01-simulator.html").as_uri())
    page.evaluate("() => MathJax.startup.promise.then(() => true)")
    formulas = page.locator("mjx-container").count()
    assert formulas > 100
    assert page.locator("mjx-container:has(svg)").count() < 0.2 * formulas
    last = page.locator("mjx-container").last
    last.evaluate("element => element.scrollIntoView()")
    last.locator("svg").wait_for()
    page.emulate_media(media="print")
    page.evaluate(SET_ALL_FORMULAS)
    assert page.locator("mjx-container:has(svg)").count() == formulas
    page.close()


def test_little_is_loaded_before_a_page_shows(browser: Browser, site: Path) -> None:
    """What holds up the first paint: style sheets, and scripts that are not deferred."""
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.parts:
            continue
        page, _ = open_page(browser, path)
        links = (
            "[...document.querySelectorAll('script[src]:not([defer]), link[rel=stylesheet]')].map(e => e.src || e.href)"
        )
        files = [Path(unquote(urlparse(link).path)) for link in page.evaluate(links)]
        assert sum(file.stat().st_size for file in files) < 1_500_000, path.name
        page.close()


def test_figures_can_be_read_on_a_phone(browser: Browser, site: Path) -> None:
    """No page is wider than a phone, and no figure is shrunk below nine tenths less a little: the wide ones scroll."""
    for path in sorted((site / "chapters").glob("*.html")):
        page, _ = open_page(browser, path)
        page.set_viewport_size({"width": 390, "height": 800})
        broken_images(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path.name
        scales = "[...document.querySelectorAll('figure img')].map(image => image.width / image.naturalWidth)"
        assert all(scale > 0.85 for scale in page.evaluate(scales)), path.name
        page.close()


def test_caption_of_a_wide_figure_stays(browser: Browser, site: Path) -> None:
    page, _ = open_page(browser, site / "chapters" / "03-optimisation.html")
    page.set_viewport_size({"width": 390, "height": 800})
    broken_images(page)
    figure, caption = page.locator("figure#fig-1"), page.locator("figure#fig-1 figcaption")
    before = caption.bounding_box()
    figure.evaluate("element => { element.scrollLeft = 150 }")
    assert figure.evaluate("element => element.scrollLeft") == 150
    assert before is not None
    assert before == caption.bounding_box()
    assert before["x"] + before["width"] <= 390
    page.close()


@pytest.mark.parametrize("label", FIGURES + TABLES)
def test_every_item_of_the_paper_has_its_place(site: Path, label: str) -> None:
    """Each label stands once, with all that belongs to an item of the paper, and the first page links to it."""
    holders = [p for p in (site / "chapters").glob("*.html") if f'id="{label}"' in p.read_text(encoding="utf8")]
    assert len(holders) == 1, label
    assert faults(holders[0].read_text(encoding="utf8"), label) == []
    assert f'href="chapters/{holders[0].name}#{label}"' in (site / "index.html").read_text(encoding="utf8")
