"""Every rule of `check`: what it finds, at which line, and that it lets the right form pass."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from drillbook.runbook.check import RULES, Finding, Settings, check_paths
from drillbook.runbook.labels import Labels

COMPOSE = """\
services:
  library:
    container_name: library-app
    image: library:1
    ports: ["127.0.0.1:8200:80", "${ADMIN_PORT:-8300}:81"]
    environment:
      CATALOG_URL: postgres://catalog
  catalog:
    image: postgres
    profiles: [data]
    volumes: [shelves:/data]
    networks: {back: {aliases: [books]}}
volumes:
  shelves: {}
networks:
  back: {}
"""
MAKEFILE = ".PHONY: warm\nwarm: build\n\techo\nbuild:\n\techo\nNAME := x\n"
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: lending, namespace: books}
"""
ALERTS = """\
groups:
  - name: a
    rules:
      - alert: LibraryDown
        expr: up == 0
        annotations:
          runbook_url: runbook.md#1-library-down
      - alert: CatalogDown
        expr: up == 0
        annotations:
          runbook_url: https://example.org/wiki/runbook.md#2-gone
"""
FILES = {
    "compose.yaml": COMPOSE,
    "Makefile": MAKEFILE,
    "k8s/lending.yaml": MANIFEST,
    "package.json": '{"scripts": {"reindex": "node x.js"}}',
    "pyproject.toml": '[project]\nname = "x"\n[project.scripts]\nlend = "x:y"\n',
    "bin/refresh.sh": "echo $SHELF_COUNT\n",
    "notes.md": "# Notes\n## First shelf\n",
}
ENTRY = "## 1. Library down\n\n**Symptoms:**\n\n- {symptom}\n\n**Resolution:**\n\n1. {step}\n"

# For each rule what it finds in a step, and what it does not.
STEPS: dict[str, tuple[list[str], list[str]]] = {
    "unknown-service": (
        ["`docker compose logs librray`", "`docker compose up -d --scale catalogue=2`",
         "`docker compose exec -u root shelf ls`", "`docker compose cp shelf:/a b`",
         "`docker compose exec library curl http://shelves:80/`", "`docker-compose restart shelf`"],
        ["`docker compose logs library --tail 5`", "`docker compose exec -it library ls shelf`",
         "`docker compose logs <service>`", "`docker compose exec library curl http://books:80/`",
         "`docker compose logs $SERVICE`", "`docker compose up -d --scale catalog=2`"],
    ),
    "unknown-container": (
        ["`docker logs library`", "`docker exec -it library-web ls`", "`docker cp shelf:/a b`"],
        ["`docker logs library-app`", "`docker exec lending-catalog-1 ls`", "`docker logs 0123456789ab`",
         "`docker exec <container> ls`", "`docker restart library-app`"],
    ),
    "unpublished-port": (
        ["`curl -f http://localhost:8000/health`", "Look at `http://127.0.0.1:9090/targets`."],
        ["`curl -f http://localhost:8200/health`", "`curl localhost:8300`",
         "`docker exec library-app curl http://localhost:8000`", "`curl https://example.org:9000`"],
    ),
    "unknown-profile": (
        ["`docker compose --profile date up -d`"],
        ["`docker compose --profile data up -d`", "`docker compose --profile <name> up -d`"],
    ),
    "unknown-volume": (
        ["`docker volume inspect shelfs`"],
        ["`docker volume inspect shelves`", "`docker volume inspect x_shelves`"],
    ),
    "unknown-resource": (
        ["`kubectl rollout undo deployment/lender`", "`kubectl scale deploy lender --replicas=2`",
         "`kubectl get pods -n book`"],
        ["`kubectl rollout undo deployment/lending`", "`kubectl get pods -n books`",
         "`kubectl get svc anything`", "`kubectl get deploy`"],
    ),
    "unknown-target": (["`make worm`"], ["`make warm`", "`make build NAME=y`", "`make -C x warm`"]),
    "missing-path": (
        ["`./bin/refrsh.sh now`", "`bash scripts/refresh.sh`", "`docker compose -f prod.yaml ps -a`",
         "Look into `k8s/lender.yaml`.", "`kubectl apply -f k8s/lender.yaml`"],
        ["`./bin/refresh.sh now`", "`bash bin/refresh.sh`", "`docker compose -f compose.yaml ps -a`",
         "Look into `k8s/lending.yaml`.", "`kubectl apply -f -`", "Look at `example.org/a.html`s"],
    ),
    "unknown-variable": (
        ["`echo $CATALOGUE_URL`", "Set the environment variable `CATALOG_URI`."],
        ["`echo $CATALOG_URL $HOME`", "Set the variable `SHELF_COUNT`.", "The status is `NOT_FOUND`.",
         "`FOO=1; echo $FOO`"],
    ),
    "unknown-script": (
        ["`npm run reidnex`", "`poetry run lned`"],
        ["`npm run reindex`", "`poetry run lend`", "`poetry run pytest`", "`npm install x`"],
    ),
    "compose-v1": (["`docker-compose logs library`"], ["`docker compose logs library`"]),
    "ps-without-all": (
        ["`docker ps` shows the container that crashed.", "`docker compose ps` shows it stopped."],
        ["`docker ps -a` shows the container that crashed.", "`docker ps` shows it."],
    ),
    "never-ends": (
        ["`kubectl logs <pod> -f`", "`docker compose logs --follow library`", "`tail -f /var/log/x`",
         "`docker stats`", "`ping catalog`", "`docker exec library-app ping catalog`",
         "`watch docker ps -a`", "`kubectl get pods -w`", "`sudo journalctl -fu x`"],
        ["`kubectl logs <pod> -f` (Ctrl-C leaves it)", "`docker stats --no-stream`", "`ping -c 3 catalog`",
         "`kubectl apply -f -`", "`timeout 5 ping catalog`", "`docker ps -f name=x`"],
    ),
    "removed-command": (["`kubectl rolling-update x`"], ["`kubectl rollout restart deploy/lending`"]),
    "open-placeholder": (
        ["`kubectl logs <pod_name`", "`docker logs container-name> --tail 3`", "`docker logs {{ x }`"],
        ["`kubectl logs <pod_name>`", "`docker logs {{ x }}`", "`psql < dump.sql`", "`psql <dump.sql`",
         "`ls > out-file`", "`docker ps --format '{{.Names}}'`"],
    ),
    "secret": (
        ["`PGPASSWORD=hunter2x psql`", "`psql postgres://app:s3cr3tpw@db/x`", "token: ghp_" + "a1" * 18,
         "`curl -H 'Authorization: Bearer abcdef0123456789xyz'`", "password=Tr0ub4dor", "AKIA" + "A1" * 8],
        ["`PGPASSWORD=$PW psql`", "`psql postgres://app:<password>@db/x`", "password: <yours>",
         "the token is short", "`PASSWORD=changeme`", '`curl -H "Authorization: Bearer $TOKEN"`',
         "password: see the vault"],
    ),
    "no-warning": (
        ["`rm -rf /data`", "`docker compose down -v`", "`kubectl delete deployment/lending`",
         "`docker volume rm shelves`", "`psql -c 'DROP TABLE x'`", "`git reset --hard HEAD`",
         "`sudo rm -r /x`", "`docker system prune -af`"],
        ["`rm x`", "`docker compose down`", "`kubectl delete pod x`",
         "Careful, all is lost: `docker compose down -v`", "This deletes the shelves: `docker volume rm shelves`"],
    ),
    "dead-link": (["See [it](nots.md)."], ["See [it](notes.md).", "See [it](https://x.org/y.md)."]),
    "dead-anchor": (
        ["See [it](#nowhere).", "See [it](notes.md#second-shelf)."],
        ["See [it](#1-library-down).", "See [it](notes.md#first-shelf).", "See [x](notes.md)."],
    ),
    "broken-command": (["Do:\n   ```bash\n   ls 'x\n   ```"], ["Do:\n   ```bash\n   ls 'x'\n   ```"]),
    "not-a-command": (["Do:\n   ```bash\n   ls\n   NAME AGE\n   ```"], ["Do:\n   ```bash\n   ls\n   ```"]),
    "unread-code": (["`shelfctl fill --all`"], ["`a shelf`", "`--all`"]),
    "unclosed-block": (["Do:\n   ```bash\n   ls"], []),
    "not-shell": (["Do:\n   ```bash\n   ls\n" + "   echo\n" * 14_000 + "   ```"], []),
    "control-character": (["a\x07b"], ["a\tb"]),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def findings(folder: Path, text: str, settings: Settings | None = None) -> list[Finding]:
    path = folder / "runbook.md"
    path.write_text(text)
    quiet = settings or Settings(folder, ask_tools=False)
    return [one for one in check_paths([path], quiet) if one.rule.name != "no-alert"]


CASES = [(rule, step, True) for rule, (bad, _) in STEPS.items() for step in bad]
CASES += [(rule, step, False) for rule, (_, good) in STEPS.items() for step in good]


@pytest.mark.parametrize(("rule", "step", "found"), CASES)
def test_a_rule_on_a_step(folder: Path, rule: str, step: str, found: bool) -> None:
    text = ENTRY.format(symptom="It is slow.", step=step)
    told = [one for one in findings(folder, text) if one.rule.name == rule]
    assert bool(told) is found, told
    for finding in told:
        first = 9
        assert first <= finding.line <= first + step.count("\n")
        assert finding.reason
        assert finding.write


STRUCTURES: dict[str, tuple[str, int]] = {
    "duplicate-entry": (ENTRY + ENTRY, 10),
    "misnumbered-line": (ENTRY + "3. x\n", 10),
    "empty-line": (ENTRY + "2.\n", 10),
    "not-a-list": (
        ENTRY.replace("\n1. ", "2. ").replace("**Resolution:**\n", "**Resolution:**\n"),
        8,
    ),
    "unknown-label": (ENTRY.replace("Symptoms", "Symtoms"), 3),
    "swallowed-label": (ENTRY.replace("{symptom}\n\n", "{symptom}\n"), 6),
    "repeated-part": (ENTRY + "\n**Resolution:**\n\n1. x\n", 11),
    "no-steps": (ENTRY.partition("**Resolution")[0], 1),
    "wrong-section": (ENTRY + "## 2. B\n### 3.1 C\n**Fix:** x\n", 11),
    "stray-list": (ENTRY.replace("**Symptoms:**\n\n", ""), 3),
    "stray-command": (ENTRY + "## Else\n`docker ps -a`\n", 11),
    "no-owner": ("---\ntitle: x\n---\n" + ENTRY, 1),
    "stale-review": ("---\nowner: x\nlast_reviewed_on: 2001-01-01\n---\n" + ENTRY, 3),
    "no-reason": (ENTRY + "\n<!-- drillbook: ignore RB303 -->\n", 11),
    "unused-ignore": (ENTRY + "\n<!-- drillbook: ignore RB303: it ends -->\n", 11),
}


@pytest.mark.parametrize("rule", STRUCTURES)
def test_a_rule_on_the_document(folder: Path, rule: str) -> None:
    text, line = STRUCTURES[rule]
    told = findings(folder, text.replace("{symptom}", "It is slow.").replace("{step}", "Wait."))
    assert [one.line for one in told if one.rule.name == rule] == [line]


def test_a_document_that_is_right_is_not_spoken_of(folder: Path) -> None:
    assert findings(folder, ENTRY.format(symptom="It is slow.", step="Wait.")) == []


def test_alerts_and_entries_lead_to_each_other(folder: Path) -> None:
    (folder / "alerts.yml").write_text(ALERTS)
    path = folder / "runbook.md"
    path.write_text(ENTRY.format(symptom="a", step="b") + ENTRY.replace("1. Li", "3. Li"))
    told = check_paths([path], Settings(folder, ask_tools=False))
    assert [(one.path.name, one.line, one.rule.name) for one in told] == [
        ("alerts.yml", 11, "alert-to-nowhere"),
        ("runbook.md", 10, "no-alert"),
    ]


def test_proofs_of_long_ago_are_told_of(folder: Path) -> None:
    ago = {"old": 400, "new": 3}
    for name, days in ago.items():
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        lines = {"1 step 1": {"compose": {"words": "x", "proven_by": [{"at": at}]}}}
        (folder / "runbook.lock").write_text(json.dumps({"version": 2, "lines": lines}))
        told = findings(folder, ENTRY.format(symptom="a", step="b"))
        assert [one.rule.name for one in told] == (["stale-proof"] if name == "old" else [])


def test_files_that_cannot_be_read_or_have_no_entry(folder: Path) -> None:
    path = folder / "runbook.md"
    path.write_bytes(b"\xff")
    told = check_paths([path], Settings(folder, ask_tools=False))
    assert [(one.rule.name, one.line) for one in told] == [("unreadable", 1)]
    path.write_text("# A runbook of nothing\n")
    assert [one.rule.name for one in findings(folder, "# Nothing\n")] == ["no-entry"]
    (folder / "README.md").write_text("# Nothing\n")
    assert check_paths([folder / "README.md"], Settings(folder, ask_tools=False)) == []


def test_an_option_that_its_tool_does_not_have(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = folder / "tools" / "kubectl"
    tool.parent.mkdir()
    tool.write_text(
        dedent("""\
        #!/bin/sh
        case "$*" in
            *options*) echo '  --namespace string' ;;
            "logs --help") echo '      --tail=-1: lines' ;;
            "--help") echo 'kubectl controls' ;;
            *) exit 1 ;;
        esac
    """)
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    asked = Settings(folder)
    steps = "`kubectl logs x --tails=3`\n2. `kubectl logs x --tail=3 --namespace y`\n3. `kubectl odd --x`"
    told = findings(folder, ENTRY.format(symptom="a", step=steps), asked)
    told = [one for one in told if one.rule.name == "unknown-option"]
    assert [(one.line, one.write) for one in told] == [(9, "Write `--tail`.")]
    assert findings(folder, ENTRY.format(symptom="a", step="`kubectl logs x --tails=3`")) == []


def test_a_rule_is_switched_off_by_line_by_file_and_by_settings(folder: Path) -> None:
    step = "`docker stats`"
    text = ENTRY.format(symptom="a", step=step)

    def names(words: str, settings: Settings | None = None) -> list[str]:
        return [one.rule.name for one in findings(folder, words, settings)]

    assert names(text) == ["never-ends"]
    assert names(text.replace(step, f"{step} <!-- drillbook: ignore RB303: left by hand -->")) == []
    above = text.replace("\n1. ", "\n<!-- drillbook: ignore never-ends: left by hand -->\n1. ")
    assert names(above) == []
    assert names(text + "\n<!-- drillbook: ignore-file RB303: left by hand -->\n") == []
    assert names(text.replace(step, f"{step} <!-- drillbook: ignore RB302: x -->")) == [
        "never-ends",
        "unused-ignore",
    ]
    assert names(text.replace(step, f"{step} <!-- drillbook: ignore RB999: x -->")) == [
        "never-ends",
        "no-reason",
    ]
    block = "Do:\n   ```bash\n   docker stats  # drillbook: ignore RB303: left by hand\n   ```"
    assert names(ENTRY.format(symptom="a", step=block)) == []
    off = Settings(folder, ignore=frozenset({"RB303"}), ask_tools=False)
    assert names(text, off) == []
    per_file = {"run*.md": frozenset({"RB303"}), "other.md": frozenset({"RB101"})}
    assert names(text, replace(off, ignore=frozenset(), per_file_ignores=per_file)) == []


def test_a_team_has_its_own_labels(folder: Path) -> None:
    text = "## A\n\n**Was ist los:**\n\n- x\n\n**Abhilfe:**\n\n1. `docker-compose ps -a`\n"
    labels = Labels({"symptom": ["was ist los"], "resolution": ["Abhilfe"]})
    told = findings(folder, text, Settings(folder, labels=labels, ask_tools=False))
    assert [one.rule.name for one in told] == ["compose-v1"]
    assert "no-entry" in [one.rule.name for one in findings(folder, text)]


def test_every_rule_is_tested_here() -> None:
    elsewhere = {
        "unreadable", "no-entry", "alert-to-nowhere", "no-alert", "stale-proof", "unknown-option",
    }  # fmt: skip
    assert set(STEPS) | set(STRUCTURES) | elsewhere == set(RULES)
