"""The page in a real browser: it plays, learns, obeys and complains, live and exported."""

from __future__ import annotations

import importlib
import shutil
import time

import pytest

from symfuse.playground.recording import Preset, export
from symfuse.playground.settings import Settings

pytestmark = pytest.mark.peer("playwright")
PATIENCE = 30_000  # ms
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 380, "height": 800}


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium, which is not installed")
    with importlib.import_module("playwright.sync_api").sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "play.html"
    presets = (
        Preset("Circle", "A disc in a ring.", Settings(), 30),
        Preset("Plane", "A regression.", Settings(data="plane", layers=()), 5),
    )
    export(path, presets, frames=12)
    return path.as_uri()


class Reader:
    """A page, what it shows, and everything it complained of."""

    def __init__(self, browser, url, size=WIDE):
        self.context = browser.new_context(viewport=size)
        self.page, self.complaints, self.requests = self.context.new_page(), [], []
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda m: self.complaints.append(m.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.wait("document.querySelector('#output').dataset.epoch !== undefined")

    def wait(self, holds):
        """Until the expression is true; the page's policy forbids the browser's own waiting."""
        self.until(lambda: self.page.evaluate(holds), holds)

    def until(self, holds, what=""):
        for _ in range(PATIENCE // 50):
            if holds():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"has not come true: {what}; the page said {self.complaints}")

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def number(self, selector):
        return float(self.text(selector).replace(",", "").removesuffix("%"))

    def pixels(self, selector):
        return self.page.evaluate("s => document.querySelector(s).toDataURL()", selector)

    def until_epoch(self, epoch):
        self.wait(f"document.querySelector('#output').dataset.epoch >= {epoch}")


@pytest.fixture
def read(browser):
    readers = []

    def make(url, size=WIDE):
        readers.append(Reader(browser, url, size))
        return readers[-1]

    yield make
    for reader in readers:
        reader.context.close()
        assert not reader.complaints


def test_it_plays_and_learns(server, read):
    page = read(server.url)
    first, loss = page.pixels("#output"), page.number("#train-loss")
    neuron = page.pixels("[data-key='0.0'] canvas")
    page.page.click("#play")
    page.until_epoch(30)
    assert page.page.get_attribute("#play", "aria-pressed") == "true"
    page.page.click("#play")
    page.wait("document.querySelector('#play').ariaPressed === 'false'")
    assert page.number("#train-loss") < loss / 3
    assert page.number("#score") > 95
    assert page.pixels("#output") != first
    assert page.pixels("[data-key='0.0'] canvas") != neuron
    assert page.number("#steps") >= 600
    assert "–" not in page.text("#pace")


def test_weights_are_set_by_hand(server, read):
    page = read(server.url)
    before = page.pixels("#output")
    page.page.click("[data-key='0.0']")
    assert "Layer 1, neuron 1" in page.text("#numbers h3")
    fields = page.page.locator("#numbers input")
    assert fields.count() == 1 + 2
    fields.nth(1).fill("3.5")
    fields.nth(1).press("Enter")
    page.until(lambda: page.pixels("#output") != before)
    session = server.worker._session
    assert session.params[0]["weights"][0, 0] == 3.5
    page.page.keyboard.press("Escape")
    assert page.page.locator("#numbers").is_hidden()


def test_a_line_opens_the_weight_that_it_is(server, read):
    page = read(server.url)
    place = page.page.evaluate(
        """() => {
          const line = document.querySelector("#drawing path");
          const { x, y } = line.getPointAtLength(line.getTotalLength() * 0.3);
          const box = document.querySelector("#drawing").getBoundingClientRect();
          return [box.left + x, box.top + y];
        }"""
    )
    page.page.mouse.click(*place)
    assert page.page.evaluate("document.activeElement.closest('#numbers') !== null")
    assert "weight" in page.page.evaluate("document.activeElement.parentElement.textContent")


def test_the_kernels_of_the_step_are_shown(server, read):
    page = read(server.url)
    kernels = server.worker._session.state().program.kernels
    assert page.page.locator("#kernels details").count() == len(kernels)
    assert f"{len(kernels)}" in page.text("#facts-list")
    page.page.click("#kernels summary >> nth=2")
    assert page.page.locator("#kernels pre >> nth=2").is_visible()
    assert "np.take" in page.text("#source")


def test_a_changed_rate_compiles_nothing_and_a_layer_does(server, read):
    page = read(server.url)
    server.worker._session.programs.known.clear()
    before = int(page.page.get_attribute("#facts-list", "data-compilations"))
    page.page.select_option("select[name=learning_rate]", "0.1")
    page.page.select_option("select[name=penalty_rate]", "0.1", force=True)
    page.page.click("#step")
    page.wait("document.querySelector('#steps').textContent === '1'")
    assert int(page.page.get_attribute("#facts-list", "data-compilations")) == before
    page.until(lambda: server.worker._session.settings.learning_rate == 0.1)
    page.page.click("[aria-label='more hidden layers']")
    page.wait("document.querySelectorAll('.head-of-layer').length === 3")
    page.wait(f"document.querySelector('#facts-list').dataset.compilations == {before + 1}")
    assert page.page.locator(".node .bias").count() == 4 + 2 + 2


def test_data_features_and_neurons_are_picked(server, read):
    page = read(server.url)
    page.page.click("#sets button[name=moons]")
    page.page.click("[aria-label='feature sin x1']")
    page.page.click("[aria-label='fewer neurons of layer 1']")
    page.page.locator("input[name=noise]").fill("0.3")
    page.page.click("#seed")
    session = server.worker._session
    page.until(lambda: session.settings.seed != 0 and session.settings.noise == 0.3)
    assert session.settings.data == "moons"
    assert session.settings.features == ("x1", "x2", "sin x1")
    assert session.settings.layers == (3, 2)
    page.page.select_option("select[name=problem]", "regression")
    page.wait("document.querySelector('#score-name').textContent.startsWith('R²')")
    assert page.page.locator("#sets button:visible").count() == 2


def test_no_feature_at_all_is_explained(server, read):
    page = read(server.url)
    page.page.click("[aria-label='feature x1']")
    page.until(lambda: server.worker._session.settings.features == ("x2",))
    page.page.click("[aria-label='feature x2']")
    page.page.wait_for_selector("#trouble:visible")
    assert "no feature is selected" in page.text("#trouble")
    assert page.page.get_attribute("[data-key=x2]", "aria-pressed") == "true"
    page.page.click("#trouble button")
    assert page.page.locator("#trouble").is_hidden()
    page.complaints[:] = [c for c in page.complaints if "400 (Bad Request)" not in c]


def test_a_diverged_loss_is_explained(server, read):
    page = read(server.url)
    wrong = {"data": "plane", "layers": [4], "activation": "linear", "optimizer": "SGD"}
    server.worker.do(lambda session: session.change({**wrong, "learning_rate": 10.0}))
    page.page.click("#play")
    page.page.wait_for_selector("#trouble:visible")
    assert "the loss is" in page.text("#trouble")
    assert "lower the learning rate" in page.text("#trouble")
    assert page.page.get_attribute("#play", "aria-pressed") == "false"


def test_a_neuron_is_shown_large_for_pointer_and_keyboard(server, read):
    page = read(server.url)
    output = page.pixels("#output")
    page.page.hover("[data-key='0.1']")
    assert page.text("#showing") == "layer 1, neuron 2"
    assert page.pixels("#output") != output
    page.page.mouse.move(5, 5)
    assert page.pixels("#output") == output
    page.page.focus("[data-key='1.0']")
    assert page.text("#showing") == "layer 2, neuron 1"


def test_keys_play_and_reach_every_control(server, read):
    page = read(server.url)
    page.page.keyboard.press(" ")
    page.wait("document.querySelector('#play').ariaPressed === 'true'")
    page.page.keyboard.press(" ")
    page.wait("document.querySelector('#play').ariaPressed === 'false'")
    nameless = """() => [...document.querySelectorAll('button, select, input')]
        .filter(e => !(e.ariaLabel || e.innerText.trim() || e.textContent || e.labels?.length))
        .map(e => e.outerHTML)"""
    assert page.page.evaluate(nameless) == []


def test_closing_the_page_stops_training(server, read):
    page = read(server.url)
    page.page.click("#play")
    page.until_epoch(2)
    page.page.close()
    deadline = time.monotonic() + PATIENCE / 1000
    while server.worker.is_playing:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("size", [NARROW, WIDE, {"width": 800, "height": 900}])
def test_nothing_sticks_out_at_any_width(server, read, size):
    page = read(server.url, size)
    across = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.page.evaluate(across)
    page.page.click("#play")
    page.until_epoch(3)
    assert page.page.evaluate(across)


def test_dark_and_light_paint_anew(server, read):
    page = read(server.url)
    light = page.pixels("#output"), page.pixels("#sets canvas")
    page.page.click("#theme")
    dark = page.pixels("#output"), page.pixels("#sets canvas")
    assert light[0] != dark[0] and light[1] != dark[1]


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_an_exported_page_plays_from_a_file(exported, read, size):
    page = read(exported, size)
    first, loss = page.pixels("#output"), page.number("#train-loss")
    page.page.click("#play")
    page.until_epoch(30)
    assert page.number("#train-loss") < loss / 3
    assert page.pixels("#output") != first
    page.page.locator("#time").fill("0")
    assert (page.pixels("#output"), page.number("#train-loss")) == (first, loss)
    assert {url for url in page.requests if not url.startswith(("data:", "blob:"))} == {exported}


def test_an_exported_page_has_every_run_and_changes_nothing(exported, read):
    page = read(exported)
    page.page.click("#presets >> text=Plane")
    assert page.text("#about") == "A regression."
    assert page.page.locator("#kernels details").count() > 0
    assert page.page.is_disabled("select[name=learning_rate]")
    page.page.click("[aria-label='feature x1']")
    assert "recorded" in page.text("#trouble")
