"""The forms in which teams write runbooks, each with the lines and commands a person finds.

The samples are made up for this test; the forms are those of public runbooks.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from drillbook.runbook import KINDS, Document, Labels, read_text

Counts = dict[str, tuple[int, int, int, int]]


def reading(text: str, name: str = "book.md", labels: Labels | None = None) -> Document:
    return read_text(Path(name), text, labels or Labels())


def counts(document: Document) -> Counts:
    return {
        number: tuple(len(entry.of(kind)) for kind in KINDS)  # type: ignore[misc]
        for number, entry in document.runbook.entries.items()
    }


def typed(document: Document) -> list[str]:
    return [command for line in document.runbook.lines() for command in line.commands]


FORMS: dict[str, tuple[str, Counts, list[str]]] = {
    "headings as labels below the file's title, the alert as its name": (
        """\
        # QueueBacklogGrowing

        ## Meaning
        Messages wait longer than five minutes.

        ## Impact
        Mails are late.

        ## Diagnosis
        - Look at the consumers: `kubectl get pods -l app=consumer`
        - Look at the broker.

        ## Mitigation
        1. Restart the consumers: `kubectl rollout restart deployment/consumer`
        2. Add consumers.
        3. Call the owner.
        """,
        {"QueueBacklogGrowing": (0, 0, 5, 0)},
        ["kubectl get pods -l app=consumer", "kubectl rollout restart deployment/consumer"],
    ),
    "several alerts in a file, headings of two levels": (
        """\
        # Alerts of the ledger

        ## LedgerDown

        ### Symptoms
        * No payments.

        ### Possible causes
        * It crashed.
        * Its disk is full.

        ### Resolution
        1. `systemctl restart ledger`

        ## LedgerSlow

        ### Symptoms
        * Payments take long.

        ### Remediation
        1. Wait.
        2. Scale it.
        """,
        {"LedgerDown": (1, 2, 1, 0), "LedgerSlow": (1, 0, 2, 0)},
        ["systemctl restart ledger"],
    ),
    "bold labels, colon inside, no numbers": (
        """\
        # Handbook

        ## Cache is cold

        **Symptom:**
        - Pages are slow.

        **Root cause:**
        - The cache was flushed.

        **Fix:**
        - `make warm-cache`
        - Wait a minute.
        """,
        {"cache-is-cold": (1, 1, 2, 0)},
        ["make warm-cache"],
    ),
    "bold labels, colon outside or none, glued to their list": (
        """\
        ### 7.2 Login loops
        **Symptoms**:
        * Users are sent back.
        * The log has 401.
        **Causes**
        * Clocks differ.

        **Solution**
        1. Set the clock: `chronyc makestep`
        2. `systemctl restart chrony`
        """,
        {"7.2": (2, 1, 2, 0)},
        ["systemctl restart chrony"],
    ),
    "labels as items of a list, their lines nested": (
        """\
        ## Disk fills up

        - **Symptoms**
          - `df` shows 100 %.
          - Writes fail.
        - **Causes**
          - Logs are not rotated.
        - **Resolution**
          1. Find it: `du -sh /var/log/app`
          2. Rotate it: `logrotate -f /etc/logrotate.d/app`
        - **Escalation**
          - The storage team.
        """,
        {"disk-fills-up": (2, 1, 2, 0)},
        ["df", "du -sh /var/log/app"],
    ),
    "labels as items, words behind the colon": (
        """\
        ## Certificate expired

        * Symptom: the browser warns.
        * Cause: nobody renewed it.
        * Fix: run `./renew.sh --now`
        """,
        {"certificate-expired": (1, 1, 1, 0)},
        ["./renew.sh --now"],
    ),
    "a table whose columns are the parts": (
        """\
        ## Known problems

        | Symptom | Cause | Fix |
        | --- | --- | --- |
        | 502 at the edge | the API is down | `docker restart api` |
        | slow pages | cold cache | wait |
        """,
        {"known-problems": (2, 2, 2, 0)},
        ["docker restart api"],
    ),
    "a table whose rows are the parts": (
        """\
        ## Mail stuck

        | Field | Value |
        |---|---|
        | Severity | 2 |
        | Symptoms | The queue grows.<br>Bounces. |
        | Cause | The relay is down. |
        | Resolution | `postqueue -f`<br>`systemctl restart postfix` |
        """,
        {"mail-stuck": (2, 1, 2, 0)},
        ["systemctl restart postfix"],
    ),
    "a table of steps below a label": (
        """\
        ## Replica lags

        ### Symptoms
        Reads are old.

        ### Steps

        | # | Command | What for |
        |---|---|---|
        | 1 | `docker exec replica pg_isready` | is it up |
        | 2 | `docker restart replica` | start over |
        """,
        {"replica-lags": (1, 0, 2, 0)},
        ["docker exec replica pg_isready", "docker restart replica"],
    ),
    "all on one line": (
        """\
        ## Search returns nothing

        **Symptom:** no hits. **Cause:** the index is empty. **Fix:** `make reindex`.
        """,
        {"search-returns-nothing": (1, 1, 1, 0)},
        ["make reindex"],
    ),
    "a line a part, nothing bold": (
        """\
        ## Worker hangs

        Symptoms: jobs stay open.
        Cause: a lock is held.
        Resolution: `docker restart worker`
        """,
        {"worker-hangs": (1, 1, 1, 0)},
        ["docker restart worker"],
    ),
    "emoji, numbers and asides around labels": (
        """\
        # :fire: Broker down

        ## 🔍 1. Symptoms (what users see)
        - nothing arrives

        ## ⚠️ 2) Potential Causes
        - it ran out of memory

        ## 🛠 3. Resolution Steps
        1. `docker start broker`

        ## ✅ 4. Verification
        - `docker exec broker rabbitmqctl status`
        """,
        {"fire-broker-down": (1, 1, 1, 1)},
        ["docker start broker", "docker exec broker rabbitmqctl status"],
    ),
    "steps that are all numbered 1": (
        """\
        ## Pool empty
        **Symptoms:** errors.
        ### Resolution
        1. Look: `docker compose ps -a`
        1. Restart: `docker compose restart api`
        1. Look again.
        """,
        {"pool-empty": (1, 0, 3, 0)},
        ["docker compose ps -a", "docker compose restart api"],
    ),
    "steps with blocks that are not indented": (
        """\
        ## Pool empty
        ### Fix
        1. Look:

        ```bash
        docker compose ps -a
        ```

        2. Restart it

        ```sh
        docker compose restart api
        docker compose logs api
        ```

        3. Done.
        """,
        {"pool-empty": (0, 0, 3, 0)},
        ["docker compose ps -a", "docker compose restart api", "docker compose logs api"],
    ),
    "steps as headings": (
        """\
        # Failover
        ## Symptoms
        The primary is gone.
        ## Remediation
        ### Step 1: look
        ```console
        $ docker exec db-2 pg_isready
        db-2:5432 - accepting connections
        ```
        ### Step 2: promote
        Only when the first is really gone.
        ```
        docker exec db-2 pg_ctl promote
        ```
        ### Tell people
        Write to the channel.
        """,
        {"failover": (1, 0, 3, 0)},
        ["docker exec db-2 pg_isready", "docker exec db-2 pg_ctl promote"],
    ),
    "steps as bold words above blocks": (
        """\
        ## Failover
        ### Resolution

        **Look**

        ```bash
        docker ps -a
        ```

        **Promote**

        ```bash
        docker exec db-2 pg_ctl promote
        docker restart api
        ```
        """,
        {"failover": (0, 0, 2, 0)},
        ["docker ps -a", "docker exec db-2 pg_ctl promote", "docker restart api"],
    ),
    "steps as paragraphs with blocks below": (
        """\
        ## Tokens expire
        ### Symptoms
        Users are logged out.
        ### How to fix
        See which keys there are:
        ```bash
        ls /etc/keys
        ```
        Put the new one in place:

            cp new.pem /etc/keys/

        Then restart `api`.
        """,
        {"tokens-expire": (1, 0, 3, 0)},
        ["ls /etc/keys", "cp new.pem /etc/keys/"],
    ),
    "a file that is an entry, all its headings labels": (
        """\
        # Symptoms
        - Orders fail.
        # Diagnosis
        1. `kubectl logs deploy/orders`
        # Resolution
        1. `kubectl rollout undo deploy/orders`
        """,
        {"book": (1, 0, 2, 0)},
        ["kubectl logs deploy/orders", "kubectl rollout undo deploy/orders"],
    ),
    "a title and labels of one level": (
        """\
        # Orders fail
        # Symptoms
        - Orders fail.
        # Fix
        - Restart.
        """,
        {"orders-fail": (1, 0, 1, 0)},
        [],
    ),
    "entries and labels of one level": (
        """\
        # Handbook
        ## Orders fail
        ## Symptoms
        - They fail.
        ## Fix
        - Restart.
        ## Mails fail
        ## Symptoms
        - None arrive.
        ## Fix
        - Restart.
        - Wait.
        """,
        {"orders-fail": (1, 0, 1, 0), "mails-fail": (1, 0, 2, 0)},
        [],
    ),
    "front matter, and a heading with an id": (
        """\
        ---
        title: Ledger
        owner: payments
        last_reviewed_on: 2026-01-31
        ---
        # Ledger locked {#locked}
        ## Symptoms
        - Locked.
        ## Fix
        - Unlock.
        """,
        {"locked": (1, 0, 1, 0)},
        [],
    ),
    "causes that are headings, each with its own fix": (
        """\
        # Uploads fail
        ## Symptoms
        - 500 on upload.
        ## Causes
        ### The disk is full
        Nothing is left.
        **Fix:**
        1. `du -sh /data`
        2. Delete.
        ### The bucket is gone
        **Fix:**
        1. Make it.
        """,
        {"uploads-fail": (1, 2, 3, 0)},
        ["du -sh /data"],
    ),
    "causes that count themselves": (
        """\
        ## Uploads fail
        **Symptoms:** 500.
        **Cause 1: the disk is full**

        Nothing is left.

        **Cause 2: the bucket is gone**

        **Resolution:** `df -h`
        """,
        {"uploads-fail": (1, 2, 1, 0)},
        ["df -h"],
    ),
    "diagnosis, resolution and rollback are all steps": (
        """\
        ## Release is bad
        ### Triage
        1. Look.
        2. Ask.
        ### Resolution
        1. `git revert HEAD`
        ### Rollback
        1. `docker compose up -d`
        ### Prevention
        - Test more: `make test`
        ### Escalation
        - Call.
        """,
        {"release-is-bad": (0, 0, 4, 0)},
        ["git revert HEAD", "docker compose up -d"],
    ),
    "numbered sections, one of them with steps of its own": (
        """\
        # Runbook
        ## 1. First looks
        1. Read the log.
        2. `docker ps -a`
        ## 2. Database
        ### 2.1 Down
        **Symptoms:**
        - no rows
        **Resolution Steps:**
        1. Start it.
        """,
        {"1": (0, 0, 2, 0), "2.1": (1, 0, 1, 0)},
        ["docker ps -a"],
    ),
    "a quotation that holds the parts": (
        """\
        ## Feed is empty

        > **Symptom:** no items
        >
        > **Fix:** `docker restart feeder`
        """,
        {"feed-is-empty": (1, 0, 1, 0)},
        ["docker restart feeder"],
    ),
    "task lists": (
        """\
        ## Feed is empty
        ### Steps
        - [ ] `docker ps -a`
        - [x] Write it down
        """,
        {"feed-is-empty": (0, 0, 2, 0)},
        ["docker ps -a"],
    ),
    "details that fold": (
        """\
        ## Feed is empty
        ### Symptoms
        - no items

        <details>
        <summary>Resolution</summary>

        **Resolution**

        1. `docker restart feeder`

        </details>
        """,
        {"feed-is-empty": (1, 0, 1, 0)},
        ["docker restart feeder"],
    ),
    "underlined headings": (
        """\
        Feed is empty
        =============

        Symptoms
        --------
        - no items

        Workaround
        ----------
        - wait
        """,
        {"feed-is-empty": (1, 0, 1, 0)},
        [],
    ),
    "two parts in one label": (
        """\
        ## Feed is empty
        ### Symptoms & Impact
        - no items
        ### Diagnosis and Resolution
        1. look
        2. mend
        """,
        {"feed-is-empty": (1, 0, 2, 0)},
        [],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_as_a_person_reads_it(form: str) -> None:
    text, lines, commands = FORMS[form]
    document = reading(dedent(text))
    assert counts(document) == lines
    assert typed(document) == commands
    assert [problem for problem in document.problems if problem.fatal] == []
    source = dedent(text).splitlines()
    for line in document.runbook.lines():
        words = line.text.replace("`", "").split()
        assert words[0] in source[line.line - 1].replace("`", "").replace("*", "")


@pytest.mark.parametrize("form", FORMS)
def test_a_byte_order_mark_and_carriage_returns_change_nothing(form: str, tmp_path: Path) -> None:
    from drillbook.runbook import read_document

    text = dedent(FORMS[form][0])
    path = tmp_path / "book.md"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    document = read_document(path)
    assert counts(document) == FORMS[form][1]
    assert typed(document) == FORMS[form][2]
