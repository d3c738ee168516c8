# What was measured of the subjects beside the matrix. A rule runs only where the config names its
# table.


rule blood:
    """Circulating factors over time, between arms, and beside the tissue of the same subjects."""
    input:
        burden="results/summary/burden.tsv",
        samples=SAMPLES,
        table=[given(config["plasma"])] if config["plasma"] else [],
    output:
        tests=shown("results/summary/blood.tsv"),
        changes=shown("results/summary/blood_changes.tsv"),
    log:
        "logs/blood.log",
    benchmark:
        "logs/benchmarks/blood.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1500 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("trend.alpha", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore blood \
            --plasma {input.table:q} \
            --burden {input.burden:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.tests:q} \
            --changes {output.changes:q} \
            &> {log:q}
        """


rule external:
    """Measurements from elsewhere beside the burden of the same samples."""
    input:
        burden="results/summary/burden.tsv",
        samples=SAMPLES,
        table=[given(f) for f in [config["external"]] if f],
    output:
        tests=shown("results/summary/external.tsv"),
        pairs=shown("results/summary/external_pairs.tsv"),
    log:
        "logs/external.log",
    benchmark:
        "logs/benchmarks/external.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1500 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("external", "trend.alpha", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore external \
            --burden {input.burden:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.tests:q} \
            --pairs {output.pairs:q} \
            &> {log:q}
        """


rule outcome:
    """Burden, SASP and index at the landmark against outcomes after it."""
    input:
        burden="results/summary/burden.tsv",
        samples=SAMPLES,
        table=[given(f) for f in [config["outcome"]["table"]] if f],
    output:
        tests=shown("results/summary/outcome.tsv"),
        subjects=shown("results/summary/outcome_subjects.tsv"),
    log:
        "logs/outcome.log",
    benchmark:
        "logs/benchmarks/outcome.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1500 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings(
            "outcome", "trend.alpha", "trend.transform", "control_treatment"
        ),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore outcome \
            --burden {input.burden:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --output {output.tests:q} \
            --subjects {output.subjects:q} \
            &> {log:q}
        """
