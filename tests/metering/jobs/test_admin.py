"""Operators see how far long work is, stop it and let it go on."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from kit.errors import Conflict
from metering.jobs.models import Job
from metering.jobs.stepping import work
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.accounts import make_person, sign_in
from tests.metering.jobs.kind import LEAVING, NOW, Adding, adding, ask

JOBS = "jobs_job"
State = Job.State


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def failing(added: Adding) -> Job:
    """Return a job that failed after its first step."""
    job = ask(to=4)
    work(now=NOW)

    def refuse(step: object) -> None:
        raise Conflict("Sign the note first.")

    added.meet = refuse
    work(now=NOW)
    return job


def test_the_list_and_the_page_say_how_far_it_is(admin: Client) -> None:
    with adding():
        job = ask(to=4)
        work(now=NOW)
        listed = words(admin.get(page(JOBS, "changelist")).content)
        shown = admin.get(page(JOBS, "change", job.pk)).content
    assert "Adding up" in listed
    assert "25 %" in listed
    assert "1 of 4 numbers done." in words(shown)
    assert "total: 1" in words(shown)


def test_the_page_follows_a_job_until_it_ends(admin: Client) -> None:
    with adding():
        job = ask(to=2)
        work(now=NOW)
        plain = reverse("admin:jobs_job_progress", args=(job.pk,))
        address = f"{plain}?shown=running"
        assert address in admin.get(page(JOBS, "change", job.pk)).content.decode()
        assert b"hx-get" in admin.get(address).content
        work(now=NOW)
        ended = admin.get(plain).content
        moved = admin.get(address)
        whole = words(admin.get(page(JOBS, "change", job.pk)).content)
    assert b"hx-get" not in ended
    assert "2 of 2 numbers done. Done" in words(ended)
    # The label above is not followed: the page is loaded anew to say the same.
    assert (moved["HX-Refresh"], moved.content) == ("true", b"")
    assert "running" not in whole


def test_a_job_that_is_not_there_is_404(admin: Client) -> None:
    assert admin.get(reverse("admin:jobs_job_progress", args=(404,))).status_code == 404


def test_a_cancel_says_first_what_stays(admin: Client) -> None:
    with adding():
        job = ask(to=4)
        work(now=NOW)
        asked = words(admin.get(action(JOBS, "cancel", job.pk)).content)
        assert "1 of 4 numbers done." in asked
        assert LEAVING in asked
        job.refresh_from_db()
        assert job.state == State.RUNNING
        confirm(admin, action(JOBS, "cancel", job.pk))
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert AuditEntry.objects.filter(object_kind="job", action="cancel").exists()


def test_a_job_that_failed_says_why_and_is_resumed(admin: Client) -> None:
    with adding() as added:
        job = failing(added)
        shown = words(admin.get(page(JOBS, "change", job.pk)).content)
        assert "Sign the note first." in shown
        confirm(admin, action(JOBS, "resume", job.pk))
        added.meet = lambda step: None
        work(now=NOW)
    job.refresh_from_db()
    assert (job.state, job.done) == (State.RUNNING, 2)


def test_only_what_may_be_done_is_offered(admin: Client) -> None:
    with adding() as added:
        job = failing(added)
        own = page(JOBS, "change", job.pk)
        ways = [action(JOBS, name, job.pk) for name in ("cancel", "resume")]
        shown = admin.get(own).content.decode()
        assert [way in shown for way in ways] == [True, True]
        confirm(admin, ways[1])
        shown = admin.get(own).content.decode()
        assert [way in shown for way in ways] == [True, False]
        confirm(admin, ways[0])
        shown = admin.get(own).content.decode()
        assert [way in shown for way in ways] == [False, False]


def test_support_sees_jobs_and_turns_none(operator_db: None) -> None:
    person = make_person("support")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name="Support"))
    support = sign_in(Client(), person)
    with adding() as added:
        job = failing(added)
        assert support.get(page(JOBS, "change", job.pk)).status_code == 200
        for name in ("cancel", "resume"):
            assert support.get(action(JOBS, name, job.pk)).status_code == 403


def test_who_may_not_ask_for_a_kind_turns_none_of_it(operator_db: None) -> None:
    person = make_person("operator")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name="Operators"))
    client = sign_in(Client(), person)
    with adding(right="economics.add_closesignature") as added:
        job = failing(added)
        assert "Resume" not in words(client.get(page(JOBS, "change", job.pk)).content)
        for name in ("cancel", "resume"):
            assert client.get(action(JOBS, name, job.pk)).status_code == 403
            assert confirm(client, action(JOBS, name, job.pk)).status_code == 403
        chosen = {"action": "resume", "_selected_action": job.pk, "confirmed": "yes"}
        answer = client.post(page(JOBS, "changelist"), chosen, follow=True)
        said = "Your account needs economics.add_closesignature"
        assert said in words(answer.content)
    job.refresh_from_db()
    assert job.state == State.FAILED
    with adding(right="pricing.change_pricebookversion"):
        confirm(client, action(JOBS, "resume", job.pk))
    job.refresh_from_db()
    assert job.state == State.WAITING
