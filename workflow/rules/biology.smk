# What the burden means: states over time, targets, plasma, crosstalk.


rule window:
    """States and phases of every compartment, drug targets, escape, and the plasma panel."""
    input:
        matrix=each("results/matrix/{dataset}.h5ad"),
        facts=each("results/matrix/{dataset}.json"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        scores=each("results/scores/{dataset}.parquet"),
        calls=each("results/calls/{dataset}.parquet"),
        signatures="results/signatures.tsv",
        panel=PANEL,
        burden="results/summary/burden.tsv",
        trend="results/summary/trend.tsv",
        samples=SAMPLES,
        plasma=[given(config["plasma"])] if config["plasma"] else [],
        rules=[given(f) for f in [config["window"]["rules"]] if f],
    output:
        times=shown("results/summary/window.tsv"),
        phases=shown("results/summary/window_phases.tsv"),
        contrasts=shown("results/summary/window_contrasts.tsv"),
        targets=shown("results/summary/targets.tsv"),
        target_values=shown("results/summary/target_values.tsv"),
        escape=shown("results/summary/escape.tsv"),
        plasma=shown("results/summary/plasma.tsv"),
    log:
        "logs/window.log",
    benchmark:
        "logs/benchmarks/window.tsv"
    priority: 2
    resources:
        mem_mb=megabytes(factor=1, base=2000, of=["matrix"], add=max),
        runtime=minutes(per_gb=10, base=20, of=["matrix"]),
    params:
        datasets=list(DATASETS.index),
        files=options("matrix", "facts", "qc", "compartments", "scores", "calls"),
        settings=settings(
            "window",
            "plasma",
            "phases",
            "trend",
            "call",
            "burden",
            "score.methods",
            "score.block_cells",
            "control_treatment",
        ),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore window \
            {params.files:q} \
            --signatures {input.signatures:q} \
            --burden {input.burden:q} \
            --trend {input.trend:q} \
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.times:q} \
            --phases {output.phases:q} \
            --contrasts {output.contrasts:q} \
            --targets {output.targets:q} \
            --target-values {output.target_values:q} \
            --escape {output.escape:q} \
            --plasma {output.plasma:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule crosstalk:
    """SASP ligands of senescent cells against receptors of other compartments, over time."""
    input:
        matrix=each("results/matrix/{dataset}.h5ad"),
        facts=each("results/matrix/{dataset}.json"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        calls=each("results/calls/{dataset}.parquet"),
        signatures="results/signatures.tsv",
        panel=PANEL,
        burden="results/summary/burden.tsv",
    output:
        tests=shown("results/summary/crosstalk.tsv"),
        values=shown("results/summary/crosstalk_values.tsv"),
    log:
        "logs/crosstalk.log",
    benchmark:
        "logs/benchmarks/crosstalk.tsv"
    resources:
        mem_mb=megabytes(factor=1, base=2000, of=["matrix"], add=max),
        runtime=minutes(per_gb=10, base=20, of=["matrix"]),
    params:
        datasets=list(DATASETS.index),
        files=options("matrix", "facts", "qc", "calls"),
        settings=settings(
            "crosstalk",
            "phases",
            "trend.alpha",
            "call",
            "score.block_cells",
            "control_treatment",
        ),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore crosstalk \
            {params.files:q} \
            --signatures {input.signatures:q} \
            --burden {input.burden:q} \
            --panel {input.panel:q} \
            --settings {params.settings:q} \
            --output {output.tests:q} \
            --values {output.values:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule families:
    """Every family of tests: one named question, and what was adjusted together in it."""
    input:
        trend="results/summary/trend.tsv",
        contrasts="results/summary/window_contrasts.tsv",
        targets="results/summary/targets.tsv",
        crosstalk="results/summary/crosstalk.tsv",
        table=[
            *tests_of_measured(),
            *expand(
                "results/summary/{table}.tsv",
                table=[name for name in QUESTIONS if name in ("arms", "regions")],
            ),
        ],
    output:
        shown("results/summary/families.tsv"),
    log:
        "logs/families.log",
    benchmark:
        "logs/benchmarks/families.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        further=options("table"),
        settings=settings("trend.fdr"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore families \
            --trend {input.trend:q} \
            --contrasts {input.contrasts:q} \
            --targets {input.targets:q} \
            --crosstalk {input.crosstalk:q} \
            {params.further:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """
