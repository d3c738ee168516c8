# The barrier: baselines from all control samples. After it, one call per dataset.


rule calibrate:
    """Baseline and cut per compartment, from control samples of all datasets."""
    input:
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        compartments=expand(
            "results/cells/{dataset}.compartments.parquet", dataset=DATASETS.index
        ),
        scores=expand("results/scores/{dataset}.parquet", dataset=DATASETS.index),
        samples=config["samples"],
        panel=panel_file(),
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
        settings=settings("calibrate", "call.profile_method", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore calibrate \
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule call:
    """State, index, false discovery rate and evidence of every cell."""
    input:
        qc="results/cells/{dataset}.qc.parquet",
        compartments="results/cells/{dataset}.compartments.parquet",
        scores="results/scores/{dataset}.parquet",
        calibration="results/calibration.parquet",
        samples=config["samples"],
        panel=panel_file(),
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
            --panel {input.panel:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """
