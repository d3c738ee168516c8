# Reference numbers of tests/questions/test_censored.py, survival (3.5-3):
#   Rscript tests/references/censored_reference.R > tests/references/censored_reference.txt
options(digits = 12)
suppressMessages(library(survival))
y <- c(1.2, 0.3, 2.1, 0.9, 1.7, 2.4, 3.1, 1.1, 2.8, 3.6)
g <- rep(c(0, 1), each = 5)
cat("name\testimate\tlr\n")
for (name in c("left", "both_sides")) {
  lo <- ifelse(y < 1.15, NA, y)
  hi <- ifelse(y < 1.15, 1.15, y)
  if (name == "both_sides") { lo[10] <- 3; hi[10] <- NA }
  fit <- function(f) survreg(f, dist = "gaussian", control = survreg.control(rel.tolerance = 1e-12))
  full <- fit(Surv(lo, hi, type = "interval2") ~ g)
  null <- fit(Surv(lo, hi, type = "interval2") ~ 1)
  cat(name, coef(full)[["g"]], 2 * (full$loglik[2] - null$loglik[1]), sep = "\t")
  cat("\n")
}
