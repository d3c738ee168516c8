# Reference numbers of tests/questions/test_references.py, base R only:
#   Rscript tests/references/questions_reference.R > tests/references/questions_reference.txt
options(digits = 15)
k <- c(4, 6, 5, 3, 5, 4, 4, 6, 30, 26, 33, 28, 15, 12, 18, 13)
n <- c(100, 90, 110, 120, 95, 105, 100, 80, 130, 90, 100, 110, 120, 100, 85, 115)
radiation <- factor(rep(c("sham", "rt"), each = 8), levels = c("sham", "rt"))
drug <- factor(rep(rep(c("none", "x"), each = 4), 2))
batch <- factor(rep(c("a", "b"), 8))
y <- asin(sqrt(k / n))
cat("name\testimate\tci_lo\tci_hi\tdf\tstatistic\tp\n")
out <- function(name, estimate, lo, hi, df, statistic, p) {
  cat(name, estimate, lo, hi, df, statistic, p, sep = "\t")
  cat("\n")
}
from_lm <- function(name, model, term) {
  ci <- confint(model)[term, ]
  co <- summary(model)$coefficients[term, ]
  out(name, co[1], ci[1], ci[2], model$df.residual, co[3], co[4])
}
from_lm("interaction_batch", lm(y ~ radiation * drug + batch), "radiationrt:drugx")

core <- c(2.1, 3.4, 2.9, 4.0, 3.1)
contra <- c(1.2, 2.0, 2.4, 2.2, 1.7)
sham_core <- c(1.1, 1.4, 0.9, 1.6)
sham_contra <- c(1.0, 1.5, 1.1, 1.2)
from_t <- function(name, t, estimate) {
  out(name, estimate, t$conf.int[1], t$conf.int[2], t$parameter, t$statistic, t$p.value)
}
from_t("region_pair", t.test(core, contra, paired = TRUE), mean(core - contra))
d <- core - contra
s <- sham_core - sham_contra
from_t("region_x_treatment", t.test(d, s), mean(d) - mean(s))
dose <- log1p(c(10, 5, 0.5))
margin <- c(1.9, 2.7, 2.8, 3.1, 2.2)
slopes <- sapply(1:5, function(i) coef(lm(c(core[i], margin[i], contra[i]) ~ dose))[2])
from_t("dose_within_subject", t.test(slopes), mean(slopes))

# Two one-sided tests of a difference of means against a margin (Schuirmann 1987).
one <- c(0.31, 0.28, 0.33, 0.27, 0.30, 0.29)
two <- c(0.29, 0.30, 0.28, 0.31, 0.26, 0.27)
upper <- t.test(one, two, mu = 0.05, alternative = "less", var.equal = TRUE)
lower <- t.test(one, two, mu = -0.05, alternative = "greater", var.equal = TRUE)
t <- t.test(one, two, var.equal = TRUE)
out("tost", mean(one) - mean(two), NA, NA, t$parameter, t$stderr, max(upper$p.value, lower$p.value))
