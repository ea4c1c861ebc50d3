"""What a person does in JupyterLab with mouse and keyboard, by a headless Chromium.

Knows: where Lab, nbgrader's panels and the Hub's pages have their buttons. Does not know: the course.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SECOND = 1000  # the browser counts milliseconds
expect.set_options(timeout=40 * SECOND)


def login(browser: Browser, url: str, name: str, password: str) -> Page:
    """A window of its own, signed in, with Lab open."""
    page = browser.new_context(viewport={"width": 1400, "height": 950}).new_page()
    page.set_default_timeout(40 * SECOND)
    page.goto(f"{url}/hub/login")
    page.fill("#username_input", name)
    page.fill("#password_input", password)
    page.click("#login_submit")
    page.wait_for_url(re.compile(f"/user/{name}/lab"), timeout=180 * SECOND)
    ready(page)
    return page


def ready(page: Page) -> None:
    """Waits until Lab has drawn itself."""
    page.wait_for_selector("#jp-main-dock-panel", timeout=120 * SECOND)
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=120 * SECOND)


def menu(page: Page, name: str) -> list[str]:
    """The entries of a menu of the menu bar, opened; [] where there is no such menu."""
    found = page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{name}$", re.IGNORECASE))
    if not found.count():
        return []
    found.click()
    page.wait_for_selector(".lm-Menu-itemLabel")
    return [text for text in page.locator(".lm-Menu-itemLabel").all_inner_texts() if text]


def choose(page: Page, name: str, entry: str) -> None:
    """Opens a menu and takes the entry that begins so."""
    labels = menu(page, name)
    assert any(label.startswith(entry) for label in labels), f"menu {name} has {labels}, not {entry}"
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{re.escape(entry)}")).first.click()


def open_file(page: Page, path: str) -> None:
    """Opens a file of the home by its address, and nothing else; "" opens none."""
    base = re.match(r".*/user/[^/]+", page.url)[0]
    page.goto(f"{base}/lab/tree/{path}?reset" if path else f"{base}/lab?reset")
    ready(page)


def open_notebook(page: Page, path: str) -> None:
    """Opens a notebook; its kernel is ready."""
    open_file(page, path)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECOND)
    # Not the circle of the toolbar: it is idle before there is a kernel, and who then runs a cell is asked for one.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("(ipykernel) | Idle", timeout=120 * SECOND)


def cell(page: Page, number: int) -> Locator:
    """The cell with that number, from 0, in the notebook that is open."""
    return page.locator(".jp-Notebook .jp-Cell").nth(number)


def write(page: Page, where: Locator, text: str) -> None:
    """Selects all of a cell and types over it."""
    where.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def run(page: Page, where: Locator, seconds: float = 120) -> str:
    """Runs a cell with Shift+Enter; the text that it shows."""
    prompt = where.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    where.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(prompt).not_to_have_text(before, timeout=seconds * SECOND)
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=seconds * SECOND)
    return where.locator(".jp-Cell-outputArea").inner_text()


def run_all(page: Page, seconds: float) -> None:
    """Runs all cells; waits until the last one has run. Fails where an error stopped them."""
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
    before = prompts.last.inner_text()
    choose(page, "Run", "Run All Cells")
    expect(prompts.last).not_to_have_text(before)
    expect(prompts.filter(has_text="[*]")).to_have_count(0, timeout=seconds * SECOND)
    expect(prompts.last).to_have_text(re.compile(r"\[\d+\]"))


def save(page: Page) -> None:
    """Ctrl+S, and waits until the tab's mark of an unsaved file is gone."""
    page.locator(".jp-Notebook").click(position={"x": 5, "y": 5})
    page.keyboard.press("ControlOrMeta+s")
    page.wait_for_selector(".lm-DockPanel-tabBar .lm-mod-current.jp-mod-dirty", state="detached")


def validate(page: Page, seconds: float) -> str:
    """Presses the notebook's Validate button; what the window that opens says."""
    page.locator(".validate-button").first.click()
    dialog = page.locator(".jp-Dialog", has_text=re.compile("Success!|failed|changed|error running"))
    dialog.wait_for(timeout=seconds * SECOND)
    return dialog.inner_text()


def close_dialog(page: Page) -> None:
    page.locator(".jp-Dialog-button").last.click()
    page.wait_for_selector(".jp-Dialog", state="detached")


def assignments(page: Page) -> None:
    """Opens nbgrader's list of assignments; it is loaded."""
    choose(page, "Nbgrader", "Assignment List")
    page.wait_for_selector("#released_assignments_list")
    for part in ("released", "fetched", "submitted"):
        expect(page.locator(f"#{part}_assignments_list_loading")).to_be_hidden()


def press(page: Page, part: str, unit: str, button: str) -> None:
    """A button at a unit in a part of the list: released, fetched or submitted."""
    row = page.locator(f"#{part}_assignments_list .list_item", has_text=unit).first
    row.get_by_text(button, exact=True).click()


def seen(page: Page, folder: Path, name: str) -> None:
    """A picture of the window."""
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")
