"""What every test may ask for: parts of the machine that are not everywhere."""

import os
import shutil
from collections import Counter

import pytest


@pytest.fixture(scope="session")
def need():
    """From a part and why it is missing ("" if it is here) to a skipped test.

    The reason begins "needs PART:".  Where GRADER_REQUIRE, a list with commas, names the part, the
    test fails instead: there nothing may go untested unseen.
    """
    required = {part.strip() for part in os.environ.get("GRADER_REQUIRE", "").split(",")}

    def asked(part, missing):
        if missing and part in required:
            pytest.fail(f"GRADER_REQUIRE names {part}, but {missing}", pytrace=False)
        if missing:
            pytest.skip(f"needs {part}: {missing}")

    return asked


@pytest.fixture(scope="module")
def browser(need):
    """A real headless Chromium that opens files and nothing else.

    For a module, not for the session: while Playwright is open its event loop runs, and no test
    could run one of its own.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        need("browser", "playwright is not installed")
    named = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in named if (path := shutil.which(name))), None)
    need("browser", "" if program else "there is no Chromium on the PATH")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=program,
                args=[
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--no-first-run",
                ],
            )
        except Error as error:
            need("browser", f"Chromium does not start: {str(error).splitlines()[0]}")
        yield started
        started.close()


def pytest_terminal_summary(terminalreporter):
    """Names and counts what was not tested because a part of the machine is missing."""
    reasons = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        if reason.startswith("needs "):
            reasons[reason] += 1
    if reasons:
        named = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
        terminalreporter.write_line(f"{reasons.total()} skipped for missing parts: {named}")
