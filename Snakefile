include: "workflow/Snakefile"


# An included rule is never the default target, so the root needs one of its own.
rule everything:
    input:
        rules.all.input,
