"""The shop's pipeline: its copy, act's log read as a page, what is looked for on it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from drillbook.looking import Look
from fixtures.faults import pipeline as faults
from fixtures.folders import ROOT, SERVICE
from fixtures.pipeline import act, advisories, runner
from fixtures.pipeline.pipeline import NeverRan, Pipeline
from fixtures.pipeline.repository import Change, Edit, Repository, RepositoryError
from fixtures.pipeline.runner import Settings
from fixtures.symptoms import pipeline as see
from scenarios import test_6_1_pipeline_failure as drilled

WORKFLOW = """\
on: push
jobs:
  quality:
    name: Code quality
    steps:
      - uses: actions/checkout@0
      - id: needed
        name: Dependencies
        uses: ./.github/actions/dependencies
      - name: Lint
        run: lint
      - run: after
  build_image:
    needs: quality
    steps:
      - run: build
"""
CHANGE = Change("Break it", (Edit("backend/app/main.py", "good", "bad"),))


def event(job: str, step: str | Sequence[str] = (), **rest: Any) -> str:
    path = [step] if isinstance(step, str) else list(step)
    return json.dumps(
        {"jobID": job, "stepID": path, "stage": "Main", "step": "", "msg": "", **rest}
    )


def said(job: str, step: str | Sequence[str], text: str) -> str:
    return event(job, step, msg=f"{text}\n", raw_output=True)


def read(*lines: str) -> act.WorkflowRun:
    return act.read(WORKFLOW, lines, "c0ffee")


def stopped_at_lint() -> act.WorkflowRun:
    return read(
        event("quality", "0", stepResult="success"),
        event("quality", ["needed", "cache"], stepResult="failure"),
        said("quality", ["needed", "cache"], "restored"),
        event("quality", "needed", stepResult="success"),
        event("quality", "2", stepResult="failure"),
        said("quality", "2", "\x1b[31mF401\x1b[0m `os` imported but unused"),
        event("quality", jobResult="failure"),
    )


def green() -> act.WorkflowRun:
    return read(
        *(event("quality", step, stepResult="success") for step in ("0", "needed", "2", "3")),
        event("quality", jobResult="success"),
        event("build_image", "0", stepResult="success"),
        event("build_image", jobResult="success"),
    )


# --- act's log, read as a page -------------------------------------------------------------------
def test_a_run_that_stopped_at_a_step() -> None:
    run = stopped_at_lint()
    job = run.job("quality")
    assert job.failed_step is not None
    assert (job.result, job.failed_step.name) == ("failure", "Lint")
    assert job.failed_step.log == ["F401 `os` imported but unused"], "colours are the terminal's"
    assert run.job("build_image").result == "skipped"
    assert not run.passed


def test_the_steps_of_an_action_are_part_of_the_step_that_uses_it() -> None:
    steps = stopped_at_lint().job("quality").steps
    assert [step.name for step in steps.values()] == [
        "actions/checkout@0",
        "Dependencies",
        "Lint",
        "after",
    ]
    assert (steps["needed"].result, steps["needed"].log) == ("success", ["restored"])
    assert steps["3"].result == "skipped"


def test_what_a_step_prints_may_come_after_its_end_and_its_cleaning_up_is_none_of_it() -> None:
    run = read(
        event("quality", "2", stepResult="failure"),
        event("quality", "2", stage="Post", stepResult="success"),
        said("quality", "2", "late"),
        event("quality", jobResult="failure"),
    )
    step = run.job("quality").failed_step
    assert step is not None
    assert step.log == ["late"]


def test_a_run_that_passed() -> None:
    assert green().passed
    assert "✓ Code quality\n" in green().page()


def test_the_page_shows_the_log_of_what_failed_and_what_did_not_run() -> None:
    page = stopped_at_lint().page()
    assert "✗ Code quality" in page
    assert "    ✗ Lint\n        F401" in page
    assert "- build_image" in page


def test_a_run_that_never_was() -> None:
    with pytest.raises(act.UnreadableRun, match="yaml: line 3"):
        read('Error: yaml: line 3: did not find expected "-"', "{not json")


# --- the copy ------------------------------------------------------------------------------------
@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    service = tmp_path / "service"
    main = service / "backend" / "app" / "main.py"
    main.parent.mkdir(parents=True)
    main.write_text("good\n")
    for left in (".venv", ".ruff_cache", "__pycache__"):
        (service / "backend" / left).mkdir()
    return Repository.copy_of(service, tmp_path / "shop")


def test_a_copy_is_a_repository_without_what_working_left(repository: Repository) -> None:
    assert repository.git("ls-files").split() == ["backend/app/main.py"]
    assert not (repository.folder / "backend" / ".venv").exists()
    assert repository.git("status", "--porcelain") == ""


def test_a_commit_and_the_one_that_takes_it_back(repository: Repository) -> None:
    first = repository.head
    broken = repository.commit(CHANGE)
    assert repository.differs_from(first)
    assert "+bad" in repository.newest()
    repository.revert(broken)
    assert not repository.differs_from(first)
    assert repository.head not in (first, broken)


@pytest.mark.parametrize("text", ["good good\n", "fine\n"])
def test_an_edit_must_find_its_place(repository: Repository, text: str) -> None:
    (repository.folder / "backend" / "app" / "main.py").write_text(text)
    with pytest.raises(RepositoryError, match=r"main\.py has this \d times, not once: good"):
        repository.commit(CHANGE)


def test_nobody_s_configuration_of_git_counts(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[commit]\n\tgpgSign = true\n[user]\n\tname = Me\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Me")
    repository.commit(CHANGE)
    assert repository.git("log", "-1", "--format=%an") == "A developer\n"


CHANGES = [value for value in vars(drilled).values() if isinstance(value, Change)]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.message)
def test_every_commit_that_is_drilled_fits_the_service(change: Change, tmp_path: Path) -> None:
    repository = Repository.copy_of(SERVICE, tmp_path / "shop")
    assert repository.commit(change) == repository.head


# --- faults, and what is looked for --------------------------------------------------------------
def pipeline_of(repository: Repository, *runs: act.WorkflowRun) -> Pipeline:
    coming = iter(runs)
    return Pipeline(
        repository,
        Settings({"PASSWORD": "hush"}, {}),
        repository.folder.parent / "runs",
        lambda *_: next(coming),
    )


def seen(look: Look) -> bool:
    try:
        look()
    except AssertionError:
        return False
    return True


def test_a_fault_is_in_force_until_it_is_taken_back(repository: Repository) -> None:
    pipeline = pipeline_of(repository, stopped_at_lint(), green())
    with faults.pushed(pipeline, CHANGE) as holds:
        assert seen(holds)
        assert seen(see.stops_at(pipeline, "quality", "Lint"))
        assert "every job passes" in faults.taken_back(pipeline)()
        assert not seen(holds)
        assert not seen(see.stops_at(pipeline, "quality", "Lint"))
    assert len(pipeline.runs) == 2, "undoing what is healed already does nothing"
    evidence = pipeline.evidence / "run-1.txt"
    assert "✗ Lint" in evidence.read_text()
    assert "+bad" in evidence.read_text()


def test_a_fault_is_undone_where_the_drill_dies_halfway(repository: Repository) -> None:
    first = repository.head
    with faults.pushed(pipeline_of(repository, stopped_at_lint()), CHANGE):
        assert repository.differs_from(first)
    assert not repository.differs_from(first)


def test_a_fix_that_leaves_the_workflow_red_is_none(repository: Repository) -> None:
    pipeline = pipeline_of(repository, stopped_at_lint(), stopped_at_lint())
    with faults.pushed(pipeline, CHANGE), pytest.raises(AssertionError, match="F401"):
        faults.taken_back(pipeline)()


def test_what_is_looked_for_is_not_seen_on_a_run_that_passed(repository: Repository) -> None:
    pipeline = pipeline_of(repository, green(), stopped_at_lint())
    with pytest.raises(NeverRan):
        see.passes(pipeline)()
    looks = [
        see.stops_at(pipeline, "quality", "Lint"),
        see.log_shows(pipeline, "quality", "F401"),
        see.only_failed(pipeline, "quality"),
    ]
    pipeline.push()
    assert seen(see.passes(pipeline))
    assert [seen(look) for look in looks] == [False, False, False]
    pipeline.push()
    assert not seen(see.passes(pipeline))
    assert [seen(look) for look in looks] == [True, True, True]


@pytest.mark.parametrize(
    "look",
    [
        lambda pipeline: see.stops_at(pipeline, "quality", "Types"),
        lambda pipeline: see.log_shows(pipeline, "quality", "F999"),
        lambda pipeline: see.only_failed(pipeline, "quality", "build_image"),
    ],
)
def test_another_step_cause_or_job_is_not_taken_for_it(repository: Repository, look: Any) -> None:
    pipeline = pipeline_of(repository, stopped_at_lint())
    pipeline.push()
    assert not seen(look(pipeline))


def test_a_job_that_ran_without_what_it_needs_is_no_symptom(repository: Repository) -> None:
    run = stopped_at_lint()
    run.job("build_image").result = "success"
    pipeline = pipeline_of(repository, run)
    pipeline.push()
    assert not seen(see.stops_at(pipeline, "quality", "Lint"))


def test_names_that_the_settings_do_not_have(repository: Repository) -> None:
    pipeline = pipeline_of(repository)
    workflow = repository.folder / runner.WORKFLOW
    workflow.parent.mkdir(parents=True)
    workflow.write_text("${{ secrets.PASSWORD }}")
    assert not seen(see.unset_names(pipeline))
    workflow.write_text("${{ secrets.PASSWRD }} ${{ secrets.PASSWORD }} ${{ vars.PASSWORD }}")
    assert see.unset_names(pipeline)() == (
        "not in the repository's settings: secrets.PASSWRD, vars.PASSWORD"
    )


def test_the_database_that_the_workflow_names(tmp_path: Path) -> None:
    pipeline = pipeline_of(Repository.copy_of(SERVICE, tmp_path / "shop"))
    assert not seen(see.database_name(pipeline))
    pipeline.repository.commit(drilled.OTHER_DATABASE)
    assert "DATABASE_URL names mydb" in see.database_name(pipeline)()


# --- the workflow --------------------------------------------------------------------------------
def workflows() -> list[Path]:
    return [folder / ".github" / "workflows" / "ci.yml" for folder in (ROOT, SERVICE)]


@pytest.mark.parametrize("folder", [ROOT, SERVICE], ids=["the project's", "the shop's"])
def test_actions_are_pinned_by_commit_and_have_a_stand_in(folder: Path) -> None:
    used = act.actions_used(folder)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == []
    options = runner.stood_in_for(folder)
    assert len(options) >= 2
    assert all(Path(one.partition("=")[2]).is_dir() for one in options[1::2])


def test_an_action_without_a_stand_in_is_named(tmp_path: Path) -> None:
    workflow = tmp_path / runner.WORKFLOW
    workflow.parent.mkdir(parents=True)
    workflow.write_text("- uses: someone/something@v1 # why\n")
    with pytest.raises(act.UnreadableRun, match="someone/something@v1 has no stand-in"):
        runner.stood_in_for(tmp_path)


def test_the_image_is_built_only_where_every_other_job_passed() -> None:
    jobs = yaml.safe_load((SERVICE / runner.WORKFLOW).read_text())["jobs"]
    assert set(jobs.pop("build_image")["needs"]) == set(jobs)


def test_the_advisories_that_an_audit_is_told() -> None:
    def ask(url: str, name: str, version: str) -> Any:
        query = {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        return httpx.post(url, json=query, timeout=5, trust_env=False).json()

    with advisories.serve() as url:
        assert ask(url, "jinja2", "2.4.1")["vulns"]
        assert ask(url, "jinja2", "3.1.6") == {}
