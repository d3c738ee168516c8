# Reference numbers of tests/questions/test_association.py, base R and survival (3.5-3):
#   Rscript tests/references/outcome_reference.R > tests/references/outcome_reference.txt
# Debian has no coxphf. Firth's penalised likelihood is the partial likelihood of coxph at a fixed
# coefficient, plus half the log determinant of its information there; it is maximised here.
options(digits = 12)
suppressMessages(library(survival))
x <- c(-1.2, 0.4, 0.9, -0.3, 1.5, -0.8, 0.1, 2.0, -1.7, 0.6, -0.5, 1.1, 0.3, -0.9)
time <- c(40, 22, 15, 30, 8, 55, 27, 5, 60, 18, 33, 15, 60, 47)
event <- c(1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1)
arm <- c(0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1)
at <- function(X, b) {
  m <- suppressWarnings(coxph(Surv(time, event) ~ X, init = b, ties = "breslow",
                              control = coxph.control(iter.max = 0)))
  m$loglik[1] - 0.5 * as.numeric(determinant(m$var)$modulus)
}
one <- function(X, b1) {
  if (ncol(X) == 1) return(at(X, b1))
  optimize(function(b2) at(X, c(b1, b2)), c(-8, 8), maximum = TRUE, tol = 1e-10)$objective
}
cat("name\testimate\tlo\thi\tstatistic\tp\n")
for (name in c("cox", "cox_arm")) {
  X <- if (name == "cox") cbind(x) else cbind(x, arm)
  best <- optimize(function(b) one(X, b), c(-5, 5), maximum = TRUE, tol = 1e-10)
  drop <- function(b) 2 * (best$objective - one(X, b)) - qchisq(0.95, 1)
  lo <- uniroot(drop, c(best$maximum - 5, best$maximum), tol = 1e-10)$root
  hi <- uniroot(drop, c(best$maximum, best$maximum + 5), tol = 1e-10)$root
  lr <- 2 * (best$objective - one(X, 0))
  cat(name, exp(best$maximum), exp(lo), exp(hi), lr, pchisq(lr, 1, lower.tail = FALSE), sep = "\t")
  cat("\n")
}
y <- c(2.1, 0.3, 1.9, 0.8, 3.0, 0.7, 1.2)
z <- x[1:7]
s <- cor.test(z, y, method = "spearman", exact = TRUE)
r <- unname(s$estimate)
half <- qnorm(0.975) * sqrt((1 + r^2 / 2) / (7 - 3))
cat("spearman", r, tanh(atanh(r) - half), tanh(atanh(r) + half), r, s$p.value, sep = "\t")
cat("\n")
