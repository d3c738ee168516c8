# Questions that only some studies ask: arm against arm, drugs, regions of the same subject. The
# samples sheet decides: a drug, two modalities or dose rates, a subject with two regions; and the
# config, by `contrasts`. Otherwise nothing of this runs.

QUESTIONS = asked(read_samples(config["samples"]), config)
check_questions(config, read_samples(config["samples"]))


rule arms:
    """Arms against each other at the same time, and what drugs did, in words."""
    input:
        burden="results/summary/burden.tsv",
        pseudobulk=(
            ["results/summary/pseudobulk_scores.tsv"]
            if config["report"]["pseudobulk"]
            else []
        ),
        values=[
            "results/summary/target_values.tsv",
            "results/summary/crosstalk_values.tsv",
        ],
        rules=[given(f) for f in [config["efficacy"]["rules"]] if f],
    output:
        arms=shown("results/summary/arms.tsv"),
        efficacy=shown("results/summary/efficacy.tsv"),
        sides=shown("results/summary/efficacy_sides.tsv"),
    log:
        "logs/arms.log",
    benchmark:
        "logs/benchmarks/arms.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("contrasts", "efficacy", "trend", "control_treatment"),
        further=options("pseudobulk", "values"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore arms \
            --burden {input.burden:q} \
            {params.further:q} \
            --settings {params.settings:q} \
            --output {output.arms:q} \
            --efficacy {output.efficacy:q} \
            --sides {output.sides:q} \
            &> {log:q}
        """


rule regions:
    """Regions of the same subjects against each other, and dose-response within subjects."""
    input:
        burden="results/summary/burden.tsv",
        pseudobulk=(
            ["results/summary/pseudobulk_scores.tsv"]
            if config["report"]["pseudobulk"]
            else []
        ),
        values=[
            "results/summary/target_values.tsv",
            "results/summary/crosstalk_values.tsv",
        ],
    output:
        shown("results/summary/regions.tsv"),
    log:
        "logs/regions.log",
    benchmark:
        "logs/benchmarks/regions.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("trend", "control_treatment"),
        further=options("pseudobulk", "values"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore regions \
            --burden {input.burden:q} \
            {params.further:q} \
            --settings {params.settings:q} \
            --output {output:q} \
            &> {log:q}
        """
