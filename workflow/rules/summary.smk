# From cells to samples to answers. The sample is the unit from here on.

# Tables of cells, which are there before any of these rules runs; memory and time go by them.
CELLS = ["calls", "scores", "qc"]


rule burden:
    """One row per sample and compartment: cells, states, excess over control, mean scores."""
    input:
        calls=each("results/calls/{dataset}.parquet"),
        scores=each("results/scores/{dataset}.parquet"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        facts=each("results/matrix/{dataset}.json"),
        coverage=each("results/scores/{dataset}.coverage.tsv"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        rates="results/calibration_rates.tsv",
        prevalence=["results/summary/prevalence.tsv"] if LEARNS else [],
        samples=SAMPLES,
        panel=PANEL,
    output:
        burden=shown("results/summary/burden.tsv"),
        tissue=shown("results/summary/burden_tissue.tsv"),
    log:
        "logs/burden.log",
    benchmark:
        "logs/benchmarks/burden.tsv"
    priority: 2
    resources:
        mem_mb=megabytes(factor=2, base=1500, of=CELLS),
        runtime=minutes(per_gb=5, base=20, of=CELLS),
    params:
        datasets=list(DATASETS.index),
        files=options("facts", "qc", "compartments", "scores", "coverage", "calls"),
        prevalence=options("prevalence"),
        settings=settings("burden", "call", "score", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore burden \
            {params.files:q} \
            {params.prevalence:q} \
            --rates {input.rates:q} \
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.burden:q} \
            --tissue {output.tissue:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule confounders:
    """What travels with the scores besides irradiation: depth, cell cycle, composition."""
    input:
        calls=each("results/calls/{dataset}.parquet"),
        scores=each("results/scores/{dataset}.parquet"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        facts=each("results/matrix/{dataset}.json"),
        coverage=each("results/scores/{dataset}.coverage.tsv"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        burden="results/summary/burden.tsv",
        samples=SAMPLES,
        panel=PANEL,
    output:
        shown("results/summary/confounders.tsv"),
    log:
        "logs/confounders.log",
    benchmark:
        "logs/benchmarks/confounders.tsv"
    resources:
        mem_mb=megabytes(factor=2, base=1500, of=CELLS),
        runtime=minutes(per_gb=5, base=20, of=CELLS),
    params:
        datasets=list(DATASETS.index),
        files=options("facts", "qc", "compartments", "scores", "coverage", "calls"),
        settings=settings("trend", "call", "score", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore confounders \
            {params.files:q} \
            --burden {input.burden:q} \
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule substates:
    """Shares of macrophage, fibroblast and astrocyte sub-states in every sample."""
    input:
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        table=(
            [given(config["compartments"]["substates"])]
            if config["compartments"]["substates"]
            else []
        ),
    output:
        shown("results/summary/substates.tsv"),
    log:
        "logs/substates.log",
    benchmark:
        "logs/benchmarks/substates.tsv"
    resources:
        mem_mb=megabytes(factor=2, base=1500, of=["compartments", "qc"]),
        runtime=minutes(per_gb=5, base=20, of=["compartments", "qc"]),
    params:
        datasets=list(DATASETS.index),
        files=options("qc", "compartments"),
        settings=settings("compartments.substates", "burden.min_cells"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore substates \
            {params.files:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule pseudobulk:
    """Summed counts, genes that change, and their signatures; only if asked for.

    That is by `report: {pseudobulk: true}` in the config, or by `snakemake pseudobulk`.
    """
    input:
        matrix=each("results/matrix/{dataset}.h5ad"),
        facts=each("results/matrix/{dataset}.json"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        scores=each("results/scores/{dataset}.parquet"),
        signatures="results/signatures.tsv",
        burden="results/summary/burden.tsv",
        samples=SAMPLES,
    output:
        profiles="results/summary/pseudobulk.h5ad",
        scores=shown("results/summary/pseudobulk_scores.tsv"),
        contrasts=shown("results/summary/de.tsv"),
        genes="results/summary/de_genes.parquet",
        enrichment=shown("results/summary/enrichment.tsv"),
    log:
        "logs/pseudobulk.log",
    benchmark:
        "logs/benchmarks/pseudobulk.tsv"
    resources:
        mem_mb=megabytes(factor=0.5, base=4000, of=["matrix", "scores"]),
        runtime=minutes(per_gb=10, base=60, of=["matrix", "scores"]),
    params:
        datasets=list(DATASETS.index),
        files=options("matrix", "facts", "qc", "compartments", "scores"),
        settings=settings("burden", "trend", "score", "gate", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore pseudobulk \
            {params.files:q} \
            --signatures {input.signatures:q} \
            --burden {input.burden:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.profiles:q} \
            --output-scores {output.scores:q} \
            --contrasts {output.contrasts:q} \
            --genes {output.genes:q} \
            --enrichment {output.enrichment:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule trend:
    """Contrasts and trends at the level of samples, with the label check."""
    input:
        burden="results/summary/burden.tsv",
        samples=SAMPLES,
    output:
        trend=shown("results/summary/trend.tsv"),
        readouts=shown("results/summary/readouts.tsv"),
        sensitivity=shown("results/summary/sensitivity.tsv"),
        labels=shown("results/summary/label_check.tsv"),
    log:
        "logs/trend.log",
    benchmark:
        "logs/benchmarks/trend.tsv"
    priority: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("trend", "score", "call.profile_method", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore trend \
            --burden {input.burden:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.trend:q} \
            --readouts {output.readouts:q} \
            --sensitivity {output.sensitivity:q} \
            --labels {output.labels:q} \
            &> {log:q}
        """


rule export:
    """One AnnData with every per-cell result, to join with the matrices in a notebook."""
    input:
        samples=SAMPLES,
        calls=each("results/calls/{dataset}.parquet"),
        scores=each("results/scores/{dataset}.parquet"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
    output:
        "results/senoscore.h5ad",
    log:
        "logs/export.log",
    benchmark:
        "logs/benchmarks/export.tsv"
    resources:
        mem_mb=megabytes(factor=4, base=1500, of=CELLS),
        runtime=minutes(per_gb=5, base=20, of=CELLS),
    params:
        datasets=list(DATASETS.index),
        files=options("qc", "compartments", "scores", "calls"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore export \
            --samples {input.samples:q} \
            {params.files:q} \
            --output {output:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule embedding:
    """Where a random sample of cells lies on a UMAP; only if `embedding.cells` is not 0."""
    input:
        matrix=each("results/matrix/{dataset}.h5ad"),
        facts=each("results/matrix/{dataset}.json"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        calls=each("results/calls/{dataset}.parquet"),
    output:
        shown("results/embedding.tsv"),
    log:
        "logs/embedding.log",
    benchmark:
        "logs/benchmarks/embedding.tsv"
    resources:
        mem_mb=megabytes(factor=1, base=3000, of=["qc", "calls"]),
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        datasets=list(DATASETS.index),
        files=options("matrix", "facts", "qc", "calls"),
        settings=settings("embedding"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore embedding \
            {params.files:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule report:
    """One self-contained page, figures as files, and where every number came from."""
    input:
        facts=each("results/matrix/{dataset}.json"),
        genes=each("results/matrix/{dataset}.genes.tsv"),
        qc_samples=each("results/cells/{dataset}.qc_samples.tsv"),
        coverage=each("results/scores/{dataset}.coverage.tsv"),
        signatures="results/signatures.tsv",
        calibration="results/calibration.parquet",
        rates="results/calibration_rates.tsv",
        burden="results/summary/burden.tsv",
        tissue="results/summary/burden_tissue.tsv",
        trend="results/summary/trend.tsv",
        readouts="results/summary/readouts.tsv",
        sensitivity="results/summary/sensitivity.tsv",
        labels="results/summary/label_check.tsv",
        confounders="results/summary/confounders.tsv",
        substates="results/summary/substates.tsv",
        window="results/summary/window.tsv",
        phases="results/summary/window_phases.tsv",
        contrasts="results/summary/window_contrasts.tsv",
        targets="results/summary/targets.tsv",
        escape="results/summary/escape.tsv",
        plasma="results/summary/plasma.tsv",
        crosstalk="results/summary/crosstalk.tsv",
        families="results/summary/families.tsv",
        learned=LEARNED_TABLES,
        pseudobulk=(
            expand(
                "results/summary/{table}.tsv",
                table=["pseudobulk_scores", "de", "enrichment"],
            )
            if config["report"]["pseudobulk"]
            else []
        ),
        table=[
            *EMBEDDING,
            *tests_of_measured(),
            *values_of_measured(),
            *expand("results/summary/{table}.tsv", table=QUESTIONS),
        ],
        samples=SAMPLES,
        sheet=given(config["datasets"]),
        sources=all_files(),  # for their checksums
    output:
        report=report(
            "results/report.html",
            caption="../report/page.rst",
            category="The page",
            labels={
                "page": "Answers, figures and tables: one page that works offline"
            },
        ),
        provenance="results/provenance.json",
        figures=report(
            directory("results/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            labels=about_figure,
        ),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        datasets=list(DATASETS.index),
        files=options("facts", "genes", "qc_samples", "coverage"),
        learned=lambda wildcards, input: [
            word for file in input.learned for word in ("--table", file)
        ],
        pseudobulk=lambda wildcards, input: [
            word for file in input.pseudobulk for word in ("--table", file)
        ],
        further=options("table"),
        settings=settings(*config),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore report \
            {params.files:q} \
            --signatures {input.signatures:q} \
            --table {input.calibration:q} \
            --table {input.rates:q} \
            --table {input.burden:q} \
            --table {input.tissue:q} \
            --table {input.trend:q} \
            --table {input.readouts:q} \
            --table {input.sensitivity:q} \
            --table {input.labels:q} \
            --table {input.confounders:q} \
            --table {input.substates:q} \
            --table {input.window:q} \
            --table {input.phases:q} \
            --table {input.contrasts:q} \
            --table {input.targets:q} \
            --table {input.escape:q} \
            --table {input.plasma:q} \
            --table {input.crosstalk:q} \
            --table {input.families:q} \
            {params.learned:q} \
            {params.pseudobulk:q} \
            {params.further:q} \
            --samples {input.samples:q} \
            --sheet {input.sheet:q} \
            --settings {params.settings:q} \
            --output {output.report:q} \
            --provenance {output.provenance:q} \
            --figures {output.figures:q} \
            --benchmarks "$(dirname {log:q})/benchmarks" \
            {params.datasets:q} \
            &> {log:q}
        """
