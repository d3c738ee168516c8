# From input files to one row a cell: canonical matrix, quality, compartment, scores.
# Scores depend on matrix and signatures only, so they run beside qc and compartments.


rule signatures:
    """Resolve built-in and user signatures into one file, with their hash."""
    input:
        config["signatures"]["files"],
    output:
        "results/signatures.tsv",
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
            --settings {params.settings:q} \
            --out {output:q} \
            &> {log:q}
        """


rule ingest:
    """Read one input file once; write canonical counts and what each gene became."""
    input:
        dataset_files,
    output:
        matrix="results/matrix/{dataset}.h5ad",
        genes="results/matrix/{dataset}.genes.tsv",
    log:
        "logs/ingest/{dataset}.log",
    benchmark:
        "logs/benchmarks/ingest/{dataset}.tsv"
    resources:
        mem_mb=megabytes(factor=12, base=1500),
        runtime=minutes(per_gb=10, base=60),
    params:
        row=dataset_row,
        samples=config["samples"],
        settings=settings("ingest"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore ingest \
            --row {params.row:q} \
            --settings {params.settings:q} \
            --samples {params.samples:q} \
            --results results \
            &> {log:q}
        """


rule qc:
    """Metrics, limits per sample, doublets; every dropped cell keeps its reason."""
    input:
        "results/matrix/{dataset}.h5ad",
    output:
        cells="results/cells/{dataset}.qc.parquet",
        samples="results/cells/{dataset}.qc_samples.tsv",
    log:
        "logs/qc/{dataset}.log",
    benchmark:
        "logs/benchmarks/qc/{dataset}.tsv"
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
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """


rule compartments:
    """Which compartment each cell belongs to, from a column or from markers; its sub-state."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        samples=config["samples"],
        tables=[
            config["compartments"][t]
            for t in ("markers", "substates")
            if config["compartments"][t]
        ],
    output:
        "results/cells/{dataset}.compartments.parquet",
    log:
        "logs/compartments/{dataset}.log",
    benchmark:
        "logs/benchmarks/compartments/{dataset}.tsv"
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
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """


rule score:
    """Score every cell with every method, block by block from disk."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        signatures="results/signatures.tsv",
    output:
        scores="results/scores/{dataset}.parquet",
        coverage="results/scores/{dataset}.coverage.tsv",
    log:
        "logs/score/{dataset}.log",
    benchmark:
        "logs/benchmarks/score/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, of in SHARDS.items() if of == 1),
    threads: 2
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
            --settings {params.settings:q} \
            --threads {threads} \
            --results results \
            &> {log:q}
        """


# A dataset above `score.shard_cells` takes these three in place of `score`, for the same bytes.


rule survey:
    """First pass over all cells of a large dataset: what each of its pieces must know of them."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        signatures="results/signatures.tsv",
    output:
        first_pass=directory("results/scores/{dataset}.first_pass"),
        coverage="results/scores/{dataset}.coverage.tsv",
    log:
        "logs/survey/{dataset}.log",
    benchmark:
        "logs/benchmarks/survey/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, of in SHARDS.items() if of > 1),
    threads: 2
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
            --settings {params.settings:q} \
            --threads {threads} \
            --results results \
            &> {log:q}
        """


rule shard:
    """Score the cells of one piece of a large dataset."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        signatures="results/signatures.tsv",
        first_pass="results/scores/{dataset}.first_pass",
    output:
        temp("results/scores/{dataset}.shards/{part}_of_{of}.parquet"),
    log:
        "logs/shard/{dataset}/{part}_of_{of}.log",
    benchmark:
        "logs/benchmarks/shard/{dataset}/{part}_of_{of}.tsv"
    threads: 2
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
            --part {wildcards.part} \
            --of {wildcards.of} \
            --settings {params.settings:q} \
            --threads {threads} \
            --results results \
            &> {log:q}
        """


rule gather:
    """Put the pieces of a large dataset together, row group by row group."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        shards=shards,
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
        of=lambda wildcards: SHARDS[wildcards.dataset],
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore gather \
            --dataset {wildcards.dataset:q} \
            --of {params.of:q} \
            --results results \
            &> {log:q}
        """
