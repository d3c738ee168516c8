# Reference numbers of tests/test_trend.py, base R only:
#   Rscript tests/references/trend_reference.R > tests/references/trend_reference.txt
options(digits = 15)
k <- c(3, 5, 4, 12, 20, 15, 30, 22, 26)
n <- c(100, 120, 90, 110, 100, 130, 105, 95, 115)
day <- c(0, 0, 0, 7, 7, 7, 28, 28, 28)
group <- factor(rep(c("a", "b", "c"), each = 3))
batch <- factor(c(1, 2, 1, 1, 2, 2, 2, 1, 2))
subject <- factor(rep(c("p", "q", "r"), 3))
f <- k / n
h <- 0.5 / median(n)
y <- log((f + h) / (1 - f + h))
out <- function(name, model, term) {
  ci <- confint(model)[term, ]
  co <- summary(model)$coefficients[term, ]
  cat(name, co[1], ci[1], ci[2], model$df.residual, co[3], co[4], sep = "\t")
  cat("\n")
}
cat("name\testimate\tci_lo\tci_hi\tdf\tstatistic\tp\n")
m <- lm(y ~ group)
out("plain_b", m, "groupb")
out("plain_c", m, "groupc")
m <- lm(y ~ group + batch)
out("batch_b", m, "groupb")
out("batch_c", m, "groupc")
m <- lm(y ~ group + subject)
out("subject_b", m, "groupb")
out("subject_c", m, "groupc")
m <- lm(asin(sqrt(f)) ~ group)
out("arcsine_b", m, "groupb")
dose <- c(0, 0, 0, 2, 2, 2, 8, 8, 8)
m <- lm(y ~ log1p(dose))
out("dose", m, "log1p(dose)")
