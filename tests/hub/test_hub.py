"""A class of two on a real JupyterHub: they sign in, solve unit 03 in JupyterLab, validate, hand in; it is graded and
they read what came back, each their own.

One Hub with users of the system, one browser; the tests are the steps, in order. `make hub-test` runs them.
"""

import csv
import os
import pwd
import shutil
import sys
from pathlib import Path

import lab
import machine
import nbformat
import pytest
from playwright.sync_api import TimeoutError as TookTooLong
from playwright.sync_api import expect, sync_playwright

from specdec_course.grading.sample_class import answers, filled_in, typical_answers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of the system: run it as root")
UNIT = "03_greedy_verification"
NOTEBOOK = f"{UNIT}/{UNIT}.ipynb"
ANN, BOB, TEACHER = "sdc-ann", "sdc-bob", machine.TEACHER
WHOLE_NOTEBOOK = 400  # seconds at most for all cells of unit 03, on a slow machine


@pytest.fixture(scope="module")
def hub():
    if not Path(lab.CHROMIUM).exists():
        pytest.skip(f"the Hub's test needs Chromium at {lab.CHROMIUM}; name another with CHROMIUM=...")
    with machine.hub([ANN, BOB]) as running:
        yield running
        if os.environ.get("HUB_LOG"):
            shutil.copy(running.log, os.environ["HUB_LOG"])


@pytest.fixture(scope="module")
def shots(request):
    return Path(request.config.getoption("--shots"))


@pytest.fixture(scope="module")
def pages(hub, shots):
    """The window of each user by name, signed in when first asked for."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=lab.CHROMIUM, args=["--no-sandbox"])
        opened = {}

        def page(name):
            if name not in opened:
                opened[name] = lab.login(browser, hub.url, name, hub.passwords[name])
            return opened[name]

        yield page
        for name, window in opened.items():  # where a step failed, its window says most
            lab.seen(window, shots, f"last_{name}")
        browser.close()


@pytest.fixture(scope="module")
def right(hub):
    """The course's answers of unit 03 by exercise."""
    return answers(nbformat.read(machine.COURSE / "solutions" / NOTEBOOK, as_version=4))


@pytest.fixture(scope="module")
def numbers():
    """Where each cell of unit 03 stands, by its id."""
    released = nbformat.read(machine.COURSE / "notebooks" / NOTEBOOK, as_version=4)
    return {cell.id: number for number, cell in enumerate(released.cells)}


def typed(page, line):
    page.keyboard.type(line)
    page.keyboard.press("Enter")


def click_what_is_seen(page, selector):
    """What was seen when it was looked for may be hidden by now, an older terminal behind a new one: look again."""
    for last in (False, False, False, True):
        try:
            return page.locator(selector).last.click(timeout=10_000)
        except TookTooLong:
            if last:
                raise


def in_terminal(page, hub, name, command, seconds):
    """A line typed into a terminal of Lab; what it printed. Fails where it does not end with 0."""
    said, ended, prompt = (hub.homes[name] / file for file in ("said.txt", "ended.txt", "prompt.txt"))
    for file in (ended, prompt):
        file.unlink(missing_ok=True)
    before = page.locator(".jp-Terminal").count()
    lab.choose(page, "File", "New")
    page.locator(".lm-Menu-itemLabel", has_text="Terminal").last.click()
    page.locator(".jp-Terminal").nth(before).wait_for(state="attached")
    click_what_is_seen(page, ".jp-Terminal:visible .xterm-screen")
    for _ in range(30):  # a terminal loses what is typed before its prompt is there
        typed(page, "touch ~/prompt.txt")
        try:
            machine.wait_for(prompt.exists, 4, "the terminal listens")
            break
        except AssertionError:
            continue
    typed(page, f"({command}) > ~/said.txt 2>&1; echo $? > ~/ended.txt")
    machine.wait_for(lambda: ended.exists() and ended.read_text().strip(), seconds, f"{command} has ended")
    text = said.read_text()
    assert ended.read_text().strip() == "0", f"{command}\n{text}"
    return text


def test_the_instructor_imports_the_roster_and_releases_the_unit(hub, pages, shots):
    page = pages(TEACHER)
    (hub.homes[TEACHER] / "course/students.csv").write_text(
        f"id,first_name,last_name,email\n{ANN},Ann,Arrow,ann@example.org\n{BOB},Bob,Bow,bob@example.org\n")
    in_terminal(page, hub, TEACHER, "cd ~/course && nbgrader db student import students.csv"
                f" && nbgrader generate_assignment {UNIT} && nbgrader release_assignment {UNIT}", 120)
    assert (hub.exchange / "specdec/outbound" / NOTEBOOK).is_file()
    lab.seen(page, shots, "01_teacher_terminal")


def test_students_see_the_assignment_list_and_none_of_the_instructors_tools(pages, shots):
    page = pages(ANN)
    labels = lab.menu(page, "Nbgrader")
    lab.seen(page, shots, "02_student_menu")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert labels == ["Assignment List"]
    base = page.url.split("/lab")[0]
    assert page.request.get(f"{base}/formgrader").status == 404
    page.keyboard.press("ControlOrMeta+Shift+c")
    page.wait_for_selector("#modal-command-palette, .lm-CommandPalette")
    for word, entries in (("nbgrader", ["Assignment List"]), ("formgrader", []), ("assignment", ["Assignment List"])):
        page.locator(".lm-CommandPalette-input").fill(word)
        expect(page.locator(".lm-CommandPalette-itemLabel")).to_have_text(entries)
        lab.seen(page, shots, f"03_student_palette_{word}")
    page.keyboard.press("Escape")


def test_ann_fetches_the_unit_and_solves_it_in_the_browser(hub, pages, right, numbers, shots):
    page = pages(ANN)
    lab.open_file(page, "")  # away with the palette
    lab.assignments(page)
    lab.seen(page, shots, "04_released")
    lab.press(page, "released", UNIT, "Fetch")
    page.locator("#fetched_assignments_list .list_item", has_text=UNIT).first.wait_for()
    lab.seen(page, shots, "05_fetched")
    lab.open_notebook(page, NOTEBOOK)
    lab.run_all(page, WHOLE_NOTEBOOK)
    said = lab.cell(page, numbers["check_accepted_length"]).locator(".jp-Cell-outputArea").inner_text()
    lab.seen(page, shots, "06_untouched")
    assert "not attempted" in said

    first = next(iter(right))
    assert first == "accepted_length"
    wrong = right[first].split("### BEGIN SOLUTION")[0] + "return int((draft == choice[:len(draft)]).sum())\n"
    lab.write(page, lab.cell(page, numbers["accepted_length"]), wrong)
    lab.run(page, lab.cell(page, numbers["accepted_length"]))
    said = lab.run(page, lab.cell(page, numbers["check_accepted_length"]))
    lab.seen(page, shots, "07_wrong")
    assert "All parts" not in said and "not attempted" not in said
    for name, text in right.items():
        lab.write(page, lab.cell(page, numbers[name]), text)
    lab.run_all(page, WHOLE_NOTEBOOK)
    for name in right:
        panel = lab.cell(page, numbers[f"check_{name}"]).locator(".jp-Cell-outputArea")
        panel.scroll_into_view_if_needed()
        lab.seen(page, shots, f"08_right_{name}")
        assert panel.locator('[aria-label="right"]').count(), panel.inner_text()
    lab.save(page)
    said = lab.validate(page, WHOLE_NOTEBOOK)
    lab.seen(page, shots, "09_validated")
    lab.close_dialog(page)
    assert "Success! Your notebook passes all the tests." in said
    lab.assignments(page)
    lab.press(page, "fetched", UNIT, "Submit")
    page.locator("#submitted_assignments_list .list_item", has_text=UNIT).first.wait_for()
    lab.seen(page, shots, "10_submitted")


def test_bob_hands_in_with_a_mistake_and_a_gap(hub, pages, right, numbers, shots):
    page = pages(BOB)
    lab.assignments(page)
    lab.press(page, "released", UNIT, "Fetch")
    page.locator("#fetched_assignments_list .list_item", has_text=UNIT).first.wait_for()
    path = hub.homes[BOB] / NOTEBOOK  # bob wrote at home and uploads the file
    nbformat.write(filled_in(nbformat.read(path, as_version=4), typical_answers(right)), path)
    lab.open_notebook(page, NOTEBOOK)
    lab.run_all(page, WHOLE_NOTEBOOK)
    states = {name: lab.cell(page, numbers[f"check_{name}"]).locator('[aria-label="right"]').count() for name in right}
    lab.seen(page, shots, "11_bob_ran")
    assert 0 < sum(map(bool, states.values())) < len(right)
    lab.save(page)
    said = lab.validate(page, WHOLE_NOTEBOOK)
    lab.seen(page, shots, "12_bob_validated")
    lab.close_dialog(page)
    assert "failed" in said and "Success!" not in said
    lab.assignments(page)
    lab.press(page, "fetched", UNIT, "Submit")
    page.locator("#submitted_assignments_list .list_item", has_text=UNIT).first.wait_for()


def test_the_instructor_collects_and_grades_in_the_box(hub, pages, shots):
    page = pages(TEACHER)
    said = in_terminal(page, hub, TEACHER, f"cd ~/course && nbgrader collect {UNIT}"
                       " && specdec grade submitted --unit 3 --feedback feedback --csv marks.csv", 300)
    lab.seen(page, shots, "13_graded")
    assert ANN in said and BOB in said
    found = marks(hub)
    assert found[ANN] == 10 and 0 < found[BOB] < 10


def marks(hub):
    """What the grade book's table says, by student."""
    with (hub.homes[TEACHER] / "course/marks.csv").open() as file:
        return {row["student_id"]: round(float(row["score"]), 2) for row in csv.DictReader(file)}


def test_formgrader_shows_the_marks(hub, pages, shots):
    page = pages(TEACHER)
    lab.choose(page, "Nbgrader", "Formgrader")
    frame = page.frame_locator("#formgrader-iframe iframe")
    expect(frame.locator("body")).to_contain_text(UNIT)
    lab.seen(page, shots, "14_formgrader")
    frame.locator("tr", has_text=UNIT).locator("td.num-submissions a").click()
    scores = {name: frame.locator("tr", has_text=name).locator(".score") for name in (ANN, BOB)}
    for name, score in scores.items():
        expect(score).to_have_text(f"{marks(hub)[name]:g} / 10")
    lab.seen(page, shots, "15_formgrader_marks")
    frame.locator("tr", has_text=BOB).locator(".autograde a").click()
    dialog = frame.locator("#success-modal, #error-modal")
    expect(dialog).to_contain_text("Successfully autograded", timeout=300_000)
    expect(dialog).to_contain_text("1 of 1 are graded already")  # so it was `specdec grade` that answered
    expect(scores[BOB]).to_have_text(f"{marks(hub)[BOB]:g} / 10")
    lab.seen(page, shots, "15_formgrader_autograded")


def test_feedback_is_released_and_each_reads_their_own(hub, pages, shots):
    in_terminal(pages(TEACHER), hub, TEACHER, f"cd ~/course && nbgrader release_feedback {UNIT}", 60)
    for name, other in ((ANN, BOB), (BOB, ANN)):
        page = pages(name)
        lab.open_file(page, "")
        lab.assignments(page)
        lab.press(page, "submitted", UNIT, "Fetch Feedback")
        link = page.get_by_text("(view feedback)").first
        link.wait_for()
        lab.seen(page, shots, f"16_feedback_{name}")
        link.click()  # shows the folder
        page.locator(".jp-DirListing-item", has_text=f"{UNIT}.html").dblclick()
        assert len(list((hub.homes[name] / UNIT / "feedback").rglob("*.html"))) == 1
        frame = page.frame_locator(".jp-HTMLViewer iframe")
        expect(frame.locator("body")).to_contain_text(f"{marks(hub)[name]:g} of 10")
        expect(frame.locator("body")).not_to_contain_text(other)
        lab.seen(page, shots, f"17_feedback_page_{name}")


def test_no_student_reads_another_or_the_course(hub, pages):
    base = pages(ANN).url.split("/user/")[0]
    for name in (BOB, TEACHER):
        assert pages(ANN).request.get(f"{base}/user/{name}/lab").status in (403, 404)
        assert pages(ANN).request.get(f"{base}/user/{name}/api/contents").status in (403, 404)
    course, inbound = hub.homes[TEACHER] / "course", hub.exchange / "specdec/inbound"
    for folder in (hub.homes[BOB], hub.homes[TEACHER], course, inbound, hub.exchange / "specdec/feedback"):
        done = machine.as_user(ANN, f"ls {folder}", hub)
        assert done.returncode and "Permission denied" in done.stderr, f"{folder}: {done.stdout}{done.stderr}"
    for file in (course / "gradebook.db", course / "grading.secret", course / "solutions" / NOTEBOOK,
                 hub.homes[BOB] / NOTEBOOK):
        assert file.exists()
        assert machine.as_user(ANN, f"cat {file}", hub).returncode
    # Nothing of the kind stands anywhere that a student can look.
    places = f"{hub.exchange} {machine.HUB} {hub.place}"
    names = "-name gradebook.db -o -name grading.secret -o -name '*.sqlite' -o -name cookie_secret"
    not_these = f"! -user {ANN} ! -path '*/nbgrader/tests/*'"  # her own, and a sample of nbgrader's
    done = machine.as_user(ANN, f"find {places} \\( {names} \\) -readable {not_these} 2>/dev/null", hub)
    assert not done.stdout
    assert not list(machine.HUB.rglob("solutions/*/*.ipynb"))


def test_everybody_is_somebody_else_with_kernels_of_one_thread_that_speak_encrypted(hub):
    for name in (ANN, BOB, TEACHER):
        running = machine.processes(pwd.getpwnam(name).pw_uid)
        assert running, f"nothing runs as {name}"
        for process in running:
            if "ipykernel_launcher" in process.cmdline():
                found = process.environ()
                assert (found["OMP_NUM_THREADS"], found["OMP_WAIT_POLICY"]) == ("1", "PASSIVE")
    for name in (ANN, BOB):
        kernels = list((hub.homes[name] / ".local/share/jupyter/runtime").glob("kernel-*.json"))
        assert kernels and all("curve_secretkey" in kernel.read_text() for kernel in kernels)
    assert sys.prefix == str(machine.HUB)
