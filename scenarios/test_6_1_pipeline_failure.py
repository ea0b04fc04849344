"""Runbook entry 6.1: the workflow of the shop's repository fails.

The repository is a copy of the service, broken by a commit and healed by another. act runs its
workflow, so what the runbook reads on GitHub's page is read in what act printed.
"""

from __future__ import annotations

import pytest

from drillbook.drill import Drill, anywhere, drills
from fixtures.faults import pipeline as faults
from fixtures.faults.releases import BAD, GOOD
from fixtures.pipeline import workplace
from fixtures.pipeline.pipeline import Pipeline
from fixtures.pipeline.repository import Change, Edit
from fixtures.shop import Shop
from fixtures.symptoms import pipeline as see

CATALOGUE = "backend/app/catalogue.py"
WORKFLOW = ".github/workflows/ci.yml"
TESTING = ("quality", "security", "unit_tests", "integration_tests")
PYTEST = "poetry run pytest"
CHECK_LOCK = "poetry check --lock"

UNUSED_IMPORT = Change(
    "Look up the environment", (Edit(CATALOGUE, "import re\n", "import os\nimport re\n"),)
)
UNFORMATTED = Change(
    "Refuse unknown items",
    (Edit(CATALOGUE, "raise ItemNotFound(item_id)", "raise ItemNotFound( item_id )"),),
)
WEAK_HASH = Change(
    "Name pages by their contents",
    (
        Edit(CATALOGUE, "import re\n", "import hashlib\nimport re\n"),
        Edit(
            CATALOGUE,
            "\n\n@cache\n",
            '\n\ndef page_name(text: str) -> str:\n    """A short name for a page."""\n'
            "    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - only a name\n"
            "\n\n@cache\n",
        ),
    ),
)
DEAREST_FIRST = Change(
    "Sort by price",
    (Edit(CATALOGUE, "Item.price_cents, Item.id)", "Item.price_cents.desc(), Item.id)"),),
)
OTHER_COLUMN = Change(
    "Shorten a column's name",
    (
        Edit(
            "backend/migrations/versions/0001_schema.py",
            'sa.Column("payment_reference"',
            'sa.Column("reference"',
        ),
    ),
)
ITEM_BY_ITEM = Change("Read items one by one", (Edit(CATALOGUE, GOOD, BAD),))
NO_SUCH_VERSION = Change(
    "Update aiohappyeyeballs",
    (
        Edit(
            "backend/poetry.lock",
            'name = "aiohappyeyeballs"\nversion = "2.7.1"',
            'name = "aiohappyeyeballs"\nversion = "2.7.99"',
        ),
    ),
)
STALE_LOCK = Change(
    "Allow the next httptools",
    (Edit("backend/pyproject.toml", '"httptools>=0.9,<0.10"', '"httptools>=0.9,<0.11"'),),
)
MISSPELT_SECRET = Change(
    "Tidy the workflow",
    (
        Edit(
            WORKFLOW,
            "      POSTGRES_PASSWORD: ${{ secrets.POSTGRES_PASSWORD }}",
            "      POSTGRES_PASSWORD: ${{ secrets.POSTGRES_PASSWRD }}",
        ),
    ),
)
OTHER_DATABASE = Change("Tidy the workflow", (Edit(WORKFLOW, "/mydatabase\n", "/mydb\n"),))


@pytest.mark.parametrize(
    ("change", "step", "finding"),
    [
        pytest.param(UNUSED_IMPORT, "Lint", r"F401.*`os` imported but unused", id="linter"),
        pytest.param(UNFORMATTED, "Formatting", r"1 file would be reformatted", id="formatter"),
    ],
)
@drills("6.1", cause=1)
def test_code_quality(
    drill: Drill, pipeline: Pipeline, change: Change, step: str, finding: str
) -> None:
    """The code breaks a rule."""
    drill.inject(faults.pushed(pipeline, change))

    drill.symptom(1, see.stops_at(pipeline, "quality", step))

    drill.step(1, see.log_shows(pipeline, "quality", finding))
    drill.step(1, see.only_failed(pipeline, "quality"))
    drill.step(2, see.log_shows(pipeline, "quality", r"app/catalogue\.py"))

    drill.fix(2, faults.taken_back(pipeline))
    drill.recovered()


@drills("6.1", cause=2)
def test_security_finding(drill: Drill, pipeline: Pipeline) -> None:
    """The security scan finds more than its threshold allows."""
    drill.inject(faults.pushed(pipeline, WEAK_HASH))

    drill.symptom(1, see.stops_at(pipeline, "security", "Security scan"))

    drill.step(1, see.log_shows(pipeline, "security", r"Issue: \[B324:hashlib\].*weak MD5 hash"))
    drill.step(1, see.only_failed(pipeline, "security"))
    drill.step(2, see.log_shows(pipeline, "security", r"Location: app/catalogue\.py:\d+"))

    drill.fix(2, faults.taken_back(pipeline))
    drill.recovered()


@drills("6.1", cause=3)
def test_unit_test(drill: Drill, stack: Shop, pipeline: Pipeline) -> None:
    """A unit test fails."""
    failed = r"FAILED tests/test_items\.py::test_a_category_is_listed_cheapest_first"
    drill.inject(faults.pushed(pipeline, DEAREST_FIRST))

    drill.symptom(1, see.stops_at(pipeline, "unit_tests", "Unit tests"))

    drill.step(1, see.only_failed(pipeline, "unit_tests"))
    drill.step(3, see.log_shows(pipeline, "unit_tests", failed))
    reproduce(drill, stack, pipeline, failed)

    drill.fix(3, faults.taken_back(pipeline))
    drill.recovered()


@drills("6.1", cause=3)
def test_integration_test(drill: Drill, pipeline: Pipeline) -> None:
    """An integration test fails, on a database as the migrations make it."""
    drill.inject(faults.pushed(pipeline, OTHER_COLUMN))

    drill.symptom(1, see.stops_at(pipeline, "integration_tests", "Integration tests"))

    drill.step(1, see.only_failed(pipeline, "integration_tests"))
    missing = r'column "?(orders\.)?payment_reference"? .*does not exist'
    drill.step(3, see.log_shows(pipeline, "integration_tests", missing))
    drill.step(3, see.log_shows(pipeline, "integration_tests", r"FAILED tests/integration/"))

    drill.fix(3, faults.taken_back(pipeline))
    drill.recovered()


@drills("6.1", cause=3)
def test_performance_test(drill: Drill, stack: Shop, pipeline: Pipeline) -> None:
    """A performance test fails: a page asks the database for each of its items."""
    over = r"cost 21 statements .*the budget is 1 statement"
    drill.inject(faults.pushed(pipeline, ITEM_BY_ITEM))

    drill.symptom(1, see.stops_at(pipeline, "integration_tests", "Performance tests"))

    drill.step(1, see.only_failed(pipeline, "integration_tests"))
    drill.step(3, see.log_shows(pipeline, "integration_tests", over))
    reproduce(drill, stack, pipeline, over)

    drill.fix(3, faults.taken_back(pipeline))
    drill.recovered()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(NO_SUCH_VERSION, r"No matching distribution found", id="no such version"),
        pytest.param(STALE_LOCK, r"pyproject\.toml changed significantly", id="lock out of date"),
    ],
)
@drills("6.1", cause=4)
def test_dependency(
    drill: Drill, stack: Shop, pipeline: Pipeline, change: Change, error: str
) -> None:
    """A dependency cannot be installed."""
    drill.inject(faults.pushed(pipeline, change))

    drill.symptom(1, see.stops_at(pipeline, "unit_tests", "Dependencies"))

    drill.step(1, see.log_shows(pipeline, "unit_tests", error))
    drill.step(6, see.only_failed(pipeline, *TESTING))
    fits = r"All set" if change is NO_SUCH_VERSION else error
    with workplace.working_in(stack, pipeline.repository.folder / "backend"):
        drill.step(6, anywhere(CHECK_LOCK, shows=fits, deadline_s=60))

    drill.fix(6, faults.taken_back(pipeline))
    drill.recovered()


@drills("6.1", cause=5)
def test_variable_missing(drill: Drill, pipeline: Pipeline) -> None:
    """The workflow asks for a secret by a name that the repository does not have."""
    drill.inject(faults.pushed(pipeline, MISSPELT_SECRET))

    drill.symptom(1, see.stops_at(pipeline, "integration_tests", "Start the database"))

    missing = r"required variable POSTGRES_PASSWORD is missing a value"
    drill.step(1, see.log_shows(pipeline, "integration_tests", missing))
    drill.step(1, see.only_failed(pipeline, "integration_tests"))
    drill.step(4, see.unset_names(pipeline))

    drill.fix(4, faults.taken_back(pipeline))
    drill.recovered()


@drills("6.1", cause=5)
def test_variable_wrong(drill: Drill, pipeline: Pipeline) -> None:
    """A variable of the workflow has a wrong value."""
    drill.inject(faults.pushed(pipeline, OTHER_DATABASE))

    drill.symptom(1, see.stops_at(pipeline, "integration_tests", "Integration tests"))

    unknown = r'database "mydb" does not exist'
    drill.step(1, see.log_shows(pipeline, "integration_tests", unknown))
    drill.step(1, see.only_failed(pipeline, "integration_tests"))
    drill.step(4, see.database_name(pipeline))

    drill.fix(4, faults.taken_back(pipeline))
    drill.recovered()


def reproduce(drill: Drill, stack: Shop, pipeline: Pipeline, shows: str) -> None:
    """Run the tests on the developer's own machine, where the same one fails."""
    pipeline.install_locally()
    with workplace.working_in(stack, pipeline.repository.folder / "backend"):
        drill.step(5, anywhere(PYTEST, shows=shows, deadline_s=180))
