"""The measured figures as tables for people, one per part.

Knows: what a record of each kind holds. Does not know: how anything was measured.
"""

from __future__ import annotations


def tables(records: list[dict]) -> str:
    """One table per record, under its title; parts whose figures are missing leave them out."""
    return "\n\n".join(f"{title_of(record)}\n{TABLES[record['kind']](record)}" for record in records) + "\n"


def title_of(record: dict) -> str:
    what = record.get("pair") or record.get("model", "").split(":")[0] or record.get("what", "")
    unfinished = "" if record["finished"] else ", UNFINISHED"
    return f"{record['kind']}: {what} ({record['hardware']}, {record['precision']}{unfinished})"


def lines(heads, rows) -> str:
    """Aligned text: the first column to the left, the others to the right; None is a dash."""
    cells = [[str(cell) if cell is not None else "-" for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)])
        for row in cells
    )


def ms(seconds) -> str | None:
    return None if seconds is None else f"{1000 * seconds:.3f}"


def number(value, form=".2f") -> str | None:
    return None if value is None else format(value, form)


def card_table(record) -> str:
    measured, sheet = record.get("measured") or {}, record.get("datasheet") or {}
    kinds = (("copied, GB/s", "bytes_per_second", 1e-9), ("products, TFLOP/s", "flops_per_second", 1e-12),
             ("a launch, us", "seconds_per_launch", 1e6))
    rows = [(name, *(number(walls[key] * unit, ".1f") if key in walls else None for walls in (measured, sheet)))
            for name, key, unit in kinds]
    return lines(("", "measured", sheet.get("of") or "no data sheet known"), rows)


def latency_table(record) -> str:
    curves, floors = record.get("curves", []), record.get("floors", {})
    floor = floors.get("datasheet") or floors.get("measured") or {"seconds": {}, "one_token_after": {}}
    rows = [
        (n, *(ms(curve["seconds"].get(n)) for curve in (*curves, floor)))
        for n in {n: None for curve in curves for n in curve["seconds"]}
    ]
    rows += [
        (f"1 after {n}", *(ms(curve["one_token_after"].get(n)) for curve in (*curves, floor)))
        for n in {n: None for curve in curves for n in curve["one_token_after"]}
    ]
    rows.append(("1, in a row", *(ms(curve["in_a_row"]) for curve in curves), None))
    return lines(("tokens, ms", *(curve["engine"] for curve in curves), "floor"), rows)


def context_table(record) -> str:
    seconds, floors = record.get("one_token_after", {}), record.get("floors", {})
    floor = floors.get("datasheet") or floors.get("measured") or {"one_token_after": {}}
    rows = [(n, ms(s), ms(floor["one_token_after"].get(n))) for n, s in seconds.items()]
    return lines(("context", "ms", "floor"), rows)


def costs_table(record) -> str:
    engines = record.get("engines", {})
    heads = ["k"] + [f"{name} {engine}" for engine in engines for name in ("c", "v")]
    ks = {k: None for costs in engines.values() for k in costs["c"]}
    rows = [
        (k, *(number(costs[name].get(k), ".3f") for costs in engines.values() for name in ("c", "v")))
        for k in sorted(ks, key=int)
    ]
    plain = ", ".join(f"{engine} {ms(costs['plain'])} ms" for engine, costs in engines.items())
    return f"a step of the target: {plain}\n{lines(heads, rows)}"


def speed_table(record) -> str:
    heads = ("engine", "k", "alpha", "tokens/s", "speed-up", "predicted", "eta", "eta, its rounds", "tokens/call",
             "text")
    rows = [
        (row["engine"], row["k"], f"{row['alpha']:g}", number(row["tokens_per_second"], ".1f"), number(row["speedup"]),
         number(row.get("predicted")), number(row.get("eta")), number(row.get("eta_from_rounds")),
         number(row["tokens_per_call"]), "equal" if row["same_text"] else "DIFFERS")
        for row in record.get("grid", [])
    ]
    shares = record.get("share_of_bandwidth", {}).items()
    reached = ", ".join(f"{share:.0%} of the {name} bandwidth" for name, share in shares)
    said = f"plain compiled decoding reaches {reached or 'an unknown share of the bandwidth'} (goal: 70%)"
    return f"{said}\n{lines(heads, rows)}"


def library_table(record) -> str:
    heads = ("k", "alpha", "plain tokens/s", "assisted", "speed-up", "tokens/call", "ours / assisted",
             "ours / plain", "text")
    rows = [
        (cell["k"], f"{cell['alpha']:g}", number(cell["plain_tokens_per_second"], ".1f"),
         number(cell["tokens_per_second"], ".1f"), number(cell["speedup"]), number(cell["tokens_per_call"]),
         number(cell.get("ours_over_assisted")), number(cell.get("ours_over_plain")),
         "equal" if cell["same_text"] else "DIFFERS")
        for cell in record.get("cells", [])
    ]
    return lines(heads, rows)


def equality_table(record) -> str:
    rows = [
        (case, row["way"], "equal" if row["differs_at"] is None else f"differs at {row['differs_at']}",
         number(row.get("margin_in_ulp"), ".1f"))
        for case, ways in record.get("cases", {}).items() for row in ways
    ]
    return lines(("models", "way", "text", "margin, ulp"), rows)


def kernel_table(record) -> str:
    def us(seconds):
        return None if seconds is None else f"{1e6 * seconds:.1f}"

    rows = [
        (row["texts"], us(row["torch"]), us(row["kernel"]), us(row["floor"]), row["differing_texts"])
        for row in record.get("rows", [])
    ]
    return lines(("texts, us", "plain torch", "kernel", "floor", "texts that differ"), rows)


TABLES = {
    "card": card_table,
    "kernel": kernel_table,
    "latency": latency_table,
    "context": context_table,
    "costs": costs_table,
    "speed": speed_table,
    "library": library_table,
    "equality": equality_table,
}
