# The barrier: baselines from all control samples. After it, one call per dataset.


rule calibrate:
    """Baseline and cut per compartment, from control samples of all datasets."""
    input:
        facts=each("results/matrix/{dataset}.json"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        scores=each("results/scores/{dataset}.parquet"),
        samples=SAMPLES,
        panel=PANEL,
    output:
        calibration="results/calibration.parquet",
        rates=shown("results/calibration_rates.tsv"),
    log:
        "logs/calibrate.log",
    benchmark:
        "logs/benchmarks/calibrate.tsv"
    resources:
        mem_mb=megabytes(factor=8, base=2000),
        runtime=minutes(per_gb=20, base=60),
    params:
        datasets=list(DATASETS.index),
        files=options("facts", "qc", "compartments", "scores"),
        settings=settings("calibrate", "call.profile_method", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore calibrate \
            {params.files:q} \
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.calibration:q} \
            --rates {output.rates:q} \
            {params.datasets:q} \
            &> {log:q}
        """


# The programme of the run, and what it says of each cell: only where `call.engine` asks for it.


rule programme_plan:
    """Which data sets are learnt from together, by which genes; their samples in folds."""
    input:
        matrix=each("results/matrix/{dataset}.h5ad"),
        facts=each("results/matrix/{dataset}.json"),
        qc=each("results/cells/{dataset}.qc.parquet"),
        compartments=each("results/cells/{dataset}.compartments.parquet"),
        samples=SAMPLES,
    output:
        "results/programme/plan.json",
    log:
        "logs/programme_plan.log",
    benchmark:
        "logs/benchmarks/programme_plan.tsv"
    priority: 2
    resources:
        mem_mb=megabytes(factor=8, base=1500, of=["qc", "compartments"]),
    params:
        datasets=list(DATASETS.index),
        files=options("matrix", "facts", "qc", "compartments"),
        settings=settings("call.engine", "call.min_days_stable", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore programme-plan \
            {params.files:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule programme_sums:
    """Sums over the cells of a data set, or of a piece of a large one."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        qc="results/cells/{dataset}.qc.parquet",
        compartments="results/cells/{dataset}.compartments.parquet",
        plan="results/programme/plan.json",
        samples=SAMPLES,
    output:
        temp("results/programme/{dataset}.sums/{part}_of_{of}.npz"),
    log:
        "logs/programme_sums/{dataset}/{part}_of_{of}.log",
    benchmark:
        "logs/benchmarks/programme_sums/{dataset}/{part}_of_{of}.tsv"
    priority: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=minutes(per_gb=60, base=60),
    params:
        settings=settings("call.min_days_stable", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore programme-sums \
            --dataset {wildcards.dataset:q} \
            --part {wildcards.part} \
            --of {wildcards.of} \
            --matrix {input.matrix:q} \
            --qc {input.qc:q} \
            --compartments {input.compartments:q} \
            --plan {input.plan:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """


rule programme:
    """Weights of the genes in each compartment, learnt without the samples that they judge."""
    input:
        sums=sums_of_all(),
        plan="results/programme/plan.json",
    output:
        weights="results/programme/programme.npz",
        table=shown("results/summary/programme.tsv"),
    log:
        "logs/programme.log",
    benchmark:
        "logs/benchmarks/programme.tsv"
    priority: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        datasets=list(DATASETS.index),
        files=options("sums"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore programme \
            {params.files:q} \
            --plan {input.plan:q} \
            --output {output.weights:q} \
            --table {output.table:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule programme_score:
    """Score of every cell by weights that never saw its sample."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        qc="results/cells/{dataset}.qc.parquet",
        compartments="results/cells/{dataset}.compartments.parquet",
        plan="results/programme/plan.json",
        weights="results/programme/programme.npz",
        samples=SAMPLES,
    output:
        temp("results/programme/{dataset}.scores.parquet"),
    log:
        "logs/programme_score/{dataset}.log",
    benchmark:
        "logs/benchmarks/programme_score/{dataset}.tsv"
    priority: 2
    resources:
        mem_mb=megabytes(factor=0.5, base=2000),
        runtime=minutes(per_gb=60, base=60),
    params:
        settings=settings("call.min_days_stable", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore programme-score \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            --qc {input.qc:q} \
            --compartments {input.compartments:q} \
            --plan {input.plan:q} \
            --programme {input.weights:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """


rule programme_call:
    """Who is senescent by the programme: every cell against the control cells of the run."""
    input:
        scores=each("results/programme/{dataset}.scores.parquet"),
        plan="results/programme/plan.json",
        weights="results/programme/programme.npz",
    output:
        cells=each("results/programme/{dataset}.calls.parquet"),
        engines=shown("results/summary/engines.tsv"),
        prevalence=shown("results/summary/prevalence.tsv"),
    log:
        "logs/programme_call.log",
    benchmark:
        "logs/benchmarks/programme_call.tsv"
    priority: 2
    resources:
        mem_mb=megabytes(factor=8, base=2000),
        runtime=minutes(per_gb=60, base=60),
    params:
        datasets=list(DATASETS.index),
        files=options("scores"),
        outputs=lambda wildcards, output: [
            word for file in output.cells for word in ("--output", file)
        ],
        settings=settings("call.fdr"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore programme-call \
            {params.files:q} \
            {params.outputs:q} \
            --plan {input.plan:q} \
            --programme {input.weights:q} \
            --settings {params.settings:q} \
            --engines {output.engines:q} \
            --prevalence {output.prevalence:q} \
            {params.datasets:q} \
            &> {log:q}
        """


rule call:
    """State, index, false discovery rate and evidence of every cell."""
    input:
        facts="results/matrix/{dataset}.json",
        qc="results/cells/{dataset}.qc.parquet",
        compartments="results/cells/{dataset}.compartments.parquet",
        scores="results/scores/{dataset}.parquet",
        calibration="results/calibration.parquet",
        learnt="results/programme/{dataset}.calls.parquet" if LEARNS else [],
        samples=SAMPLES,
        panel=PANEL,
    output:
        "results/calls/{dataset}.parquet",
    log:
        "logs/call/{dataset}.log",
    benchmark:
        "logs/benchmarks/call/{dataset}.tsv"
    priority: 2
    resources:
        mem_mb=megabytes(factor=3, base=1500),
    params:
        learnt=lambda wildcards, input: ["--learnt", input.learnt] if LEARNS else [],
        settings=settings("call", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore call \
            --dataset {wildcards.dataset:q} \
            --facts {input.facts:q} \
            --qc {input.qc:q} \
            --compartments {input.compartments:q} \
            --scores {input.scores:q} \
            --calibration {input.calibration:q} \
            {params.learnt:q} \
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """
