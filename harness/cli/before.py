"""What comes before a run: what there is, and what it would cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classay import flags
from classay.cli.application import app
from classay.flags import (
    BaseOpt,
    DataOpt,
    Json,
    MethodsOpt,
    OnlineOpt,
    OrderOpt,
    SeedsOpt,
    SuiteArg,
)


@app.command("list")
def list_names(
    kind: Annotated[
        str, typer.Argument(help="methods, suites, metrics, checks, routers or sections.")
    ],
    as_json: Json = False,
) -> None:
    """What is there to choose from."""
    from classay import registry
    from classay.errors import UnknownName

    kinds = {f"{name}s": name for name in registry.PACKAGES}
    if kind == "suites":
        names = list(registry.suites())
    elif kind in kinds:
        names = registry.names(kinds[kind])
    else:
        raise UnknownName("list", kind, ["suites", *kinds], "Ask for one of these.")
    print(json.dumps(names) if as_json else "\n".join(names))


@app.command()
def validate(
    suite: SuiteArg,
    base: BaseOpt = None,
    data: DataOpt = None,
    online: OnlineOpt = False,
    as_json: Json = False,
) -> None:
    """Check a suite, its methods' settings and, where they are given, its data and its base."""
    from classay import registry, scans, sources
    from classay.determinism import environment

    environment(online)
    loaded, folder = flags.suite(suite, {"base.path": base})
    registry.check(loaded)
    checked = ["the suite", f"{len(loaded.methods)} methods"]
    if data is not None or loaded.self_made:
        place = data or folder
        records = sources.load_all(loaded, place, online)
        scans.overlap(records, loaded.stream)
        scans.leak(records, loaded.stream)
        checked.append(f"{sum(len(r.train) for r in records)} train records")
    if flags.base(loaded, online):
        checked.append("the base")
    if as_json:
        print(json.dumps({"suite": loaded.name, "checked": checked}))
    else:
        print(f"{loaded.name}: {', '.join(checked)} can be used.")


@app.command()
def plan(
    suite: SuiteArg,
    base: BaseOpt = None,
    seeds: SeedsOpt = None,
    order: OrderOpt = None,
    methods: MethodsOpt = None,
    gflops: Annotated[
        float, typer.Option("--gflops", min=0.001, help="Speed that a worker is assumed to reach.")
    ] = 15.0,
    as_json: Json = False,
) -> None:
    """What a suite costs, and what its design can show, before anything runs."""
    from classay import plan as planning

    loaded, _ = flags.suite(suite, flags.overrides(base, seeds, order, methods, None))
    made = planning.plan(loaded, flags.base(loaded, False), gflops)
    if as_json:
        print(json.dumps(made._asdict() | {"methods": [m._asdict() for m in made.methods]}))
    else:
        from classay import terminal

        terminal.plan(made, gflops)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="method.")],
    name: Annotated[str, typer.Argument(help="What a suite will call it.")],
    into: Annotated[
        Path | None, typer.Option("--into", help="The package's folder; classay_NAME here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Begin a method of your own: a package that installs, passes its tests and can be run."""
    from classay import scaffold

    made = scaffold.write(kind, name, into)
    if as_json:
        print(json.dumps({"written": [str(path) for path in made.files], "next": made.steps}))
    else:
        written = "\n".join(f"wrote {path}" for path in made.files)
        print(f"{written}\n\nNext:", *made.steps, sep="\n  ")


@app.command()
def doctor(as_json: Json = False) -> None:
    """What is installed, and whether this machine can run cells."""
    from classay import doctor as examination

    findings = examination.examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        from classay import terminal

        terminal.findings(findings)
    raise typer.Exit(0 if all(f.fine for f in findings if f.needed) else 1)
