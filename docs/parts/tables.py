"""The recorded measurements as tables: `data/measurements/*.json`, read when the site is built.

Knows: the forms that records have. Does not know: how anything was measured. No figure stands here.
"""

from __future__ import annotations

import json
from pathlib import Path

ABOUT = ("hardware", "software", "date", "command", "source")  # what every record says of itself
SPEEDS = ("cpu_classroom_bench_greedy", "cpu_classroom_bench_sampled")  # the two of the front page
TITLES = {
    "cpu_classroom_bench_greedy": "Speed of the bundled pair, greedy",
    "cpu_classroom_bench_sampled": "Speed of the bundled pair, T = 1",
    "cpu_classroom": "Latency against tokens: the bundled target on a CPU",
    "classroom": "The bundled pair",
    "classroom_drafters": "All drafters for the bundled pair, side by side",
    "classroom_best_k": "Some drafters for the bundled pair, each with several draft lengths",
    "classroom_batch": "The bundled pair, many texts at once: measured and computed",
    "classroom_ahead": "The bundled pair, drafting while the target checks: measured, and what a timeline promises",
    "classroom_methods": "Ways to decode faster that are often quoted side by side",
    "classroom_medusa": "Medusa heads for the bundled target: trees beside a chain",
    "grading_speed": "Grading a class",
    "reasoner_thinking": "Four ways to think less: right answers against tokens",
    "smollm2_bigram": "A bigram for SmolLM2-135M: prompts in ordinary spelling",
    "smollm2_bigram_spec_bench": "A bigram for SmolLM2-135M: Spec-Bench",
    "smollm2_bigram_wikitext_spelling": "A bigram for SmolLM2-135M: prompts in WikiText's spelling",
    "smollm2_bigram_windows": "A bigram for SmolLM2-135M: windows of WikiText-2",
    "smollm2_lookup_six_kinds": "Lookup drafters for SmolLM2-135M: six kinds of prompts, long answers",
    "smollm2_lookup_spec_bench": "Lookup drafters for SmolLM2-135M: summaries, answers from documents, translations",
    "t4_llama-3.2-3b": "Latency against tokens: Llama-3.2-3B on a T4",
    "t4_llama-3.2-3b_bigram": "A bigram for Llama-3.2-3B on a T4",
}


def records(folder: Path) -> dict[str, dict]:
    """{name: record} of all measurements; ValueError naming a file that cannot be read."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as a record: {error}; measure it again, or bring it back from git"
                             ) from None
    return found


def front_table(found: dict[str, dict]) -> str:
    """The speed-up table: both records of the bundled pair side by side, the rows that both have, and how measured."""
    greedy, sampled = (found[name] for name in SPEEDS)
    beside = {row["name"]: row for row in sampled["rows"]}
    rows = [[row["name"], *speed(row), *speed(beside[row["name"]])] for row in greedy["rows"] if row["name"] in beside]
    head = ["", f"{warmth(greedy)}, tokens/s", "speed-up", f"{warmth(sampled)}, tokens/s", "speed-up"]
    how = (f"{greedy['hardware']}, {greedy['dtype'].removeprefix('torch.')}, {greedy['prompts']} prompts x "
           f"{greedy['max_new_tokens']} tokens, medians, {greedy['date']}: `{greedy['command']}`. "
           "[All measured tables](measured.md).")
    return f"{table(head, rows)}\n\n{how}\n"


def warmth(record: dict) -> str:
    return "greedy" if record["temperature"] == 0 else f"T = {record['temperature']:g}"


def speed(row: dict) -> list[str]:
    return [f"{row['tokens_per_second']:.0f}", f"{row['speedup']:.2f}x"]


def all_tables(found: dict[str, dict]) -> str:
    """A section for every record; those without a title of their own go by their file's name."""
    ordered = sorted(found, key=lambda name: ([*TITLES].index(name) if name in TITLES else len(TITLES), name))
    return "\n".join(section(name, found[name]) for name in ordered)


def section(name: str, record: dict) -> str:
    lines = [f"## {TITLES.get(name, name.replace('_', ' '))}", "", body(record), ""]
    lines += [f"{key}: {code(key, record[key])}  " for key in ABOUT if record.get(key)]
    lines += [f"file: `data/measurements/{name}.json`", ""]
    return "\n".join(lines)


def code(key: str, text) -> str:
    return f"`{text}`" if key == "command" else str(text).replace("_", r"\_").replace("*", r"\*")


def body(record: dict) -> str:
    """The figures of a record: as speeds, curves or tokens per call where it has these, else name by name."""
    if "rows" in record and record["rows"] and "tokens_per_second" in record["rows"][0]:
        return speeds(record)
    if "rows" in record and record["rows"] and "strategy" in record["rows"][0]:
        return strategies(record)
    if "rows" in record and record["rows"] and "reader" in record["rows"][0]:
        return ways(record)
    if record.get("curves"):
        return curves(record)
    if record.get("batches"):
        return by_batch(record)
    if isinstance(record.get("tokens_per_call"), dict):
        return per_length(record)
    return by_name(record)


def speeds(record: dict) -> str:
    head = ["", "tokens/s", "slowest to fastest run", "speed-up", "tokens per call", "drafted tokens kept"]
    rows = [[row["name"], f"{row['tokens_per_second']:.0f}", f"{row['slowest']:.0f} to {row['fastest']:.0f}",
             f"{row['speedup']:.2f}x", f"{row['tokens_per_call']:.2f}" if row["tokens_per_call"] else "",
             f"{row['acceptance_rate']:.1%}" if row["acceptance_rate"] else ""] for row in record["rows"]]
    parts = [table(head, rows)]
    if record.get("explained"):
        head = ["why", "k", "alpha", "c", "v", "predicted", "measured", "reached"]
        rows = [[row["name"], f"{row['k']:.2f}", f"{row['alpha']:.2f}", f"{row['c']:.3f}", f"{row['v']:.2f}",
                 f"{row['predicted']:.2f}x", f"{row['measured']:.2f}x", f"{row['eta']:.0%}"]
                for row in record["explained"]]
        parts.append(table(head, rows))
    if record.get("timeline"):
        head = ["drafting ahead", "drafting, ms", "checking, ms", "drafts written ahead", "promised", "measured"]
        rows = [[row["name"], f"{row['drafting_ms']:.1f}", f"{row['checking_ms']:.1f}", f"{row['kept']:.0%}",
                 f"{row['promised']:.2f}x", f"{row['measured']:.2f}x"] for row in record["timeline"]]  # fmt: skip
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def strategies(record: dict) -> str:
    head = ["strategy", "setting", "steps of a problem", "right", "95 % interval", "tokens", "of the large model"]
    rows = [[row["strategy"], row["setting"], " or ".join(map(str, row["steps"])), f"{row['accuracy']:.1%}",
             f"{row['low']:.1%} to {row['high']:.1%}", f"{row['tokens']:.1f}", f"{row['large_tokens']:.1f}"]
            for row in record["rows"]]
    return table(head, rows)


def ways(record: dict) -> str:
    from specdec_course.measure.methods import lost

    head = ["", "one reader, tokens/s", "slowest to fastest text", "speed-up", "the machine, tokens/s", "speed-up",
            "what is lost", "where it fits"]  # fmt: skip
    rows = []
    for row in record["rows"]:
        reader, whole = row["reader"], row["machine"]
        rows.append([row["name"], f"{reader['median']:.0f}", f"{reader['slowest']:.0f} to {reader['fastest']:.0f}",
                     f"{reader['speedup']:.2f}x", f"{whole['median']:.0f}", f"{whole['speedup']:.2f}x",
                     lost(row, record["temperature"]), row["fits"]])  # fmt: skip
    return table(head, rows)


def curves(record: dict) -> str:
    sizes = sorted({int(n) for curve in record["curves"] for n in curve["seconds"]})
    head = ["tokens in a pass", *(f"{curve.get('label', curve.get('engine', ''))}, ms" for curve in record["curves"])]
    rows = [[str(n), *(milliseconds(curve["seconds"].get(str(n))) for curve in record["curves"])] for n in sizes]
    return table(head, rows)


def by_batch(record: dict) -> str:
    head = ["texts at once", "k", "tokens/s", "slowest to fastest run", "computed", "measured/computed", "speed-up"]
    rows = [[row["batch"], row["k"], f"{row['measured']:.0f}", f"{row['slowest']:.0f} to {row['fastest']:.0f}",
             f"{row['computed']:.0f}", f"{row['measured'] / row['computed']:.2f}", f"{row['speedup']:.2f}x"]
            for row in record["batches"]]
    return table(head, rows)


def milliseconds(seconds) -> str:
    return "" if seconds is None else f"{1000 * seconds:.2f}"


def per_length(record: dict) -> str:
    kept = record.get("acceptance_rate") or {}
    head = ["k", "tokens per call", *(["drafted tokens kept"] if kept else [])]
    calls = record["tokens_per_call"]
    rows = [[k, f"{calls[k]:.3f}", *([f"{kept[k]:.1%}"] if kept else [])] for k in calls]
    return table(head, rows)


def by_name(record: dict) -> str:
    shown = {key: value for key, value in record.items() if key not in (*ABOUT, "what", "kind", "sample")}
    rows = [[name.replace("_", " "), value] for name, value in leaves(shown)]
    return table(["figure", "value"], rows)


def leaves(value, before: str = "") -> list[tuple[str, str]]:
    """(names joined by ", ", figure) of everything in a record."""
    if isinstance(value, dict):
        return [one for key, item in value.items()
                for one in leaves(item, f"{before}, {key}" if before else str(key))]
    if isinstance(value, list):
        return [(before, ", ".join(map(str, value)))] if all(not isinstance(x, (dict, list)) for x in value) else [
            one for number, item in enumerate(value, 1) for one in leaves(item, f"{before} {number}")]
    return [(before, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, figures to the right."""
    def line(cells):
        return "| " + " | ".join(str(cell).replace("|", r"\|").replace("_", r"\_") for cell in cells) + " |"

    return "\n".join([line(head), "|---" + "|---:" * (len(head) - 1) + "|", *map(line, rows)])
