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
        rates="results/calibration_rates.tsv",
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


rule call:
    """State, index, false discovery rate and evidence of every cell."""
    input:
        facts="results/matrix/{dataset}.json",
        qc="results/cells/{dataset}.qc.parquet",
        compartments="results/cells/{dataset}.compartments.parquet",
        scores="results/scores/{dataset}.parquet",
        calibration="results/calibration.parquet",
        samples=SAMPLES,
        panel=PANEL,
    output:
        "results/calls/{dataset}.parquet",
    log:
        "logs/call/{dataset}.log",
    benchmark:
        "logs/benchmarks/call/{dataset}.tsv"
    resources:
        mem_mb=megabytes(factor=3, base=1500),
    params:
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
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """
