"""Long work is followed on its page, cancelled with what stays said first, resumed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from kit.errors import Conflict
from kit.orm.roles import as_operator
from metering.jobs.models import Job
from metering.jobs.stepping import work
from tests.browser.watch import Watched
from tests.metering.jobs.kind import LEAVING, NOW, Adding, adding, ask


@pytest.fixture
def added() -> Iterator[Adding]:
    """Provide a kind of job that adds numbers up."""
    with adding() as kind:
        yield kind


def asked(to: int, subject: str) -> Job:
    """Ask for a job."""
    with as_operator():
        return ask(to=to, subject=subject)


def step() -> None:
    """Take a step of each job, as the worker does."""
    with as_operator():
        work(now=NOW)


def page_of(job: Job) -> str:
    """Return the address of a job's page."""
    return f"/admin/jobs/job/{job.pk}/change/"


def test_the_page_follows_a_job_to_its_end(operator: Watched, added: Adding) -> None:
    job = asked(2, "followed")
    page = operator.open(page_of(job))
    live = page.get_by_role("status").filter(has_text="done")
    expect(live).to_contain_text("Waiting for a worker.")
    step()
    expect(live).to_contain_text("1 of 2 numbers done.")
    step()
    expect(live).to_contain_text("2 of 2 numbers done. Done.")
    assert live.get_attribute("hx-get") is None
    operator.check()


def test_a_job_is_cancelled_with_what_stays_said_first(
    operator: Watched, added: Adding
) -> None:
    job = asked(4, "cancelled")
    step()
    page = operator.open(page_of(job))
    expect(page.get_by_role("link", name="Resume")).to_have_count(0)
    page.get_by_role("link", name="Cancel job").click()
    expect(page.get_by_text(f"1 of 4 numbers done. {LEAVING}")).to_be_visible()
    page.get_by_role("button", name="Cancel job").click()
    expect(page.get_by_text("Cancelled.").first).to_be_visible()
    with as_operator():
        job.refresh_from_db()
    assert (job.state, job.done) == ("cancelled", 1)


def test_a_job_that_failed_says_why_and_is_resumed(
    operator: Watched, added: Adding
) -> None:
    job = asked(1, "resumed")

    def refuse(_: object) -> None:
        raise Conflict("Sign the note first.")

    added.meet = refuse
    step()
    page = operator.open(page_of(job))
    expect(page.get_by_text("Sign the note first.").first).to_be_visible()
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Waiting for a worker.")).to_be_visible()
    added.meet = lambda _: None
    step()
    with as_operator():
        job.refresh_from_db()
    assert job.state == "done"
