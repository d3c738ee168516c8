# From input files to one row a cell: canonical matrix, quality, compartment, scores.
# Scores depend on matrix and signatures only, so they run beside qc and compartments.
#
# `priority` here and in other files: what the longest chain of jobs waits for goes first (qc and
# compartments, the programme, calls, burden, trend, window), what only the end needs fills gaps.


rule signatures:
    """Resolve built-in and user signatures into one file, with their hash."""
    input:
        files=[given(file) for file in config["signatures"]["files"]],
        panel=PANEL,
    output:
        shown("results/signatures.tsv"),
    log:
        "logs/signatures.log",
    benchmark:
        "logs/benchmarks/signatures.tsv"
    params:
        settings=settings("signatures", "call.panel"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore signatures \
            --panel {input.panel:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """


rule ingest:
    """Read one input file once; write canonical counts, what they are, what each gene became."""
    input:
        files=dataset_files,
        samples=ancient(SAMPLES),  # a change of what the sheet says of a sample reads nothing again
    output:
        matrix="results/matrix/{dataset}.h5ad",
        facts="results/matrix/{dataset}.json",
        genes=shown("results/matrix/{dataset}.genes.tsv"),
    log:
        "logs/ingest/{dataset}.log",
    benchmark:
        "logs/benchmarks/ingest/{dataset}.tsv"
    priority: 1
    resources:
        mem_mb=megabytes(factor=12, base=1500),
        runtime=minutes(per_gb=10, base=60),
    params:
        row=dataset_row,
        settings=settings("ingest"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore ingest \
            --row {params.row:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.matrix:q} \
            --facts {output.facts:q} \
            --genes {output.genes:q} \
            &> {log:q}
        """


rule qc:
    """Metrics, limits per sample, doublets; every dropped cell keeps its reason."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
    output:
        cells="results/cells/{dataset}.qc.parquet",
        samples=shown("results/cells/{dataset}.qc_samples.tsv"),
    log:
        "logs/qc/{dataset}.log",
    benchmark:
        "logs/benchmarks/qc/{dataset}.tsv"
    priority: 1
    resources:
        mem_mb=sample_megabytes(factor=0.5, per_value=25, base=1500),  # scrublet
        runtime=minutes(per_gb=20, base=60),
    params:
        settings=settings("qc"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore qc \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            --settings {params.settings:q} \
            --output {output.cells:q} \
            --output-samples {output.samples:q} \
            &> {log:q}
        """


rule compartments:
    """Which compartment each cell belongs to, from a column or from markers; its sub-state."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        samples=SAMPLES,
        tables=[
            given(config["compartments"][t])
            for t in ("markers", "substates")
            if config["compartments"][t]
        ],
    output:
        "results/cells/{dataset}.compartments.parquet",
    log:
        "logs/compartments/{dataset}.log",
    benchmark:
        "logs/benchmarks/compartments/{dataset}.tsv"
    priority: 1
    resources:
        mem_mb=megabytes(factor=0.5, base=2000),
        runtime=minutes(per_gb=10, base=60),
    params:
        settings=settings("compartments"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore compartments \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """


rule score:
    """Score every cell with every method, block by block from disk."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        facts="results/matrix/{dataset}.json",
        signatures="results/signatures.tsv",
        panel=PANEL,
    output:
        scores="results/scores/{dataset}.parquet",
        coverage=shown("results/scores/{dataset}.coverage.tsv"),
    log:
        "logs/score/{dataset}.log",
    benchmark:
        "logs/benchmarks/score/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, of in SHARDS.items() if of == 1),
    threads: scoring_threads
    resources:
        mem_mb=megabytes(factor=0.3, base=2000),
        runtime=minutes(per_gb=60, base=60),
    params:
        settings=settings("score", "gate", "call.panel", "call.profile_method"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore score \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            --facts {input.facts:q} \
            --signatures {input.signatures:q} \
            --panel {input.panel:q} \
            --settings {params.settings:q} \
            --threads {threads} \
            --output {output.scores:q} \
            --coverage {output.coverage:q} \
            &> {log:q}
        """


# A dataset above `score.shard_cells` takes these three in place of `score`, for the same bytes.


rule survey:
    """First pass over all cells of a large dataset: what each of its pieces must know of them."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        facts="results/matrix/{dataset}.json",
        signatures="results/signatures.tsv",
        panel=PANEL,
    output:
        first_pass=directory("results/scores/{dataset}.first_pass"),
        coverage=shown("results/scores/{dataset}.coverage.tsv"),
    log:
        "logs/survey/{dataset}.log",
    benchmark:
        "logs/benchmarks/survey/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, of in SHARDS.items() if of > 1),
    threads: scoring_threads
    resources:
        mem_mb=megabytes(factor=0.3, base=2000),
        runtime=minutes(per_gb=10, base=60),
    params:
        settings=settings("score", "gate", "call.panel", "call.profile_method"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore survey \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            --facts {input.facts:q} \
            --signatures {input.signatures:q} \
            --panel {input.panel:q} \
            --settings {params.settings:q} \
            --threads {threads} \
            --output {output.first_pass:q} \
            --coverage {output.coverage:q} \
            &> {log:q}
        """


rule shard:
    """Score the cells of one piece of a large dataset."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        facts="results/matrix/{dataset}.json",
        signatures="results/signatures.tsv",
        panel=PANEL,
        first_pass="results/scores/{dataset}.first_pass",
    output:
        temp("results/scores/{dataset}.shards/{part}_of_{of}.parquet"),
    log:
        "logs/shard/{dataset}/{part}_of_{of}.log",
    benchmark:
        "logs/benchmarks/shard/{dataset}/{part}_of_{of}.tsv"
    threads: scoring_threads
    resources:
        mem_mb=megabytes(factor=0.3, base=2000),
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        settings=settings("score", "gate", "call.panel", "call.profile_method"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore shard \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            --facts {input.facts:q} \
            --signatures {input.signatures:q} \
            --panel {input.panel:q} \
            --first-pass {input.first_pass:q} \
            --part {wildcards.part} \
            --of {wildcards.of} \
            --settings {params.settings:q} \
            --threads {threads} \
            --output {output:q} \
            &> {log:q}
        """


rule gather:
    """Put the pieces of a large dataset together, row group by row group."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        shard=shards,
    output:
        "results/scores/{dataset}.parquet",
    log:
        "logs/gather/{dataset}.log",
    benchmark:
        "logs/benchmarks/gather/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, of in SHARDS.items() if of > 1),
    resources:
        runtime=minutes(per_gb=5, base=30),
    params:
        pieces=options("shard"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore gather \
            --dataset {wildcards.dataset:q} \
            --matrix {input.matrix:q} \
            {params.pieces:q} \
            --output {output:q} \
            &> {log:q}
        """
