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

# Lines over days, and whether they differ between arms.
course <- c(0, 0, 0, 7, 7, 14, 14, 28, 28)
late <- course > 0
m <- lm(y ~ log1p(day), data.frame(y = y[late], day = course[late]))
out("days", m, "log1p(day)")
h8 <- 0.5 / median(n[1:8])
d <- data.frame(y = log((f[1:8] + h8) / (1 - f[1:8] + h8)), day = rep(c(7, 28), each = 4),
                arm = rep(c(0, 0, 1, 1), 2))
m <- lm(y ~ log1p(day) * arm, d)
out("interaction", m, "log1p(day):arm")

# Four of five treated animals are their own controls: lm drops the fifth by itself.
arm <- c(0, 0, 0, 0, 1, 1, 1, 1, 1)
m <- lm(y ~ arm + factor(c(1, 2, 3, 4, 1, 2, 3, 4, 5)))
out("most_shared", m, "arm")

# A subject effect that is random: the same as blocks where every subject is in every group.
suppressMessages(library(lme4))
paired <- c(0.5, 1.4, 2.2, 1.0, 1.9, 2.6, 1.2, 2.2, 3.1)
m <- lmer(paired ~ group + (1 | subject))
co <- summary(m)$coefficients["groupb", ]
cat("lmer_b", co[1], NA, NA, NA, co[3], NA, sep = "\t")
cat("\n")

# Subjects that return counted as different ones: least squares with Box's degrees of freedom,
# two samples of a subject correlating at 0.8.
boxed <- function(name, y, X, term, subject) {
  m <- lm(y ~ X)
  M <- diag(length(y)) - model.matrix(m) %*% solve(crossprod(model.matrix(m)), t(model.matrix(m)))
  V <- 0.2 * diag(length(y)) + 0.8 * outer(subject, subject, "==")
  df <- sum(diag(M %*% V))^2 / sum(diag(M %*% V %*% M %*% V))
  # One subject's samples may also move the estimate together: the worst case, correlation 1.
  a <- (solve(crossprod(model.matrix(m)), t(model.matrix(m))))[2, ]
  Z <- outer(subject, subject, "==")
  worst <- (sum(tapply(a, subject, sum)^2) / sum(a^2)) / (sum(diag(M %*% Z)) / m$df.residual)
  co <- summary(m)$coefficients[2, ]
  co[2] <- co[2] * sqrt(max(1, worst))
  co[3] <- co[1] / co[2]
  q <- qt(0.975, df)
  cat(name, co[1], co[1] - q * co[2], co[1] + q * co[2], df, co[3], 2 * pt(-abs(co[3]), df), sep = "\t")
  cat("\n")
}
boxed("few_shared", y, arm, "X", c("p", "q", "r", "s", "p", "q", "t", "u", "v"))
boxed("dose_subjects", y, log1p(dose), "X", c("a", "b", "c", "p", "q", "r", "p", "q", "r"))

# Read-outs, on fractions themselves.
read <- function(name, estimate, test) {
  cat(name, estimate, test$conf.int, test$parameter, test$statistic, test$p.value, sep = "\t")
  cat("\n")
}
by <- split(f, day)
read("welch_b", 5 * (mean(by$`7`) - mean(by$`0`)), t.test(5 * by$`7`, 5 * by$`0`))
read("persistent", mean(by$`28`), t.test(by$`28`))
d <- c(12, 20, 15, 30, 22, 26, 9, 14, 10) / n # highest at the second time
read("decline", mean(d[4:6]) - mean(d[7:9]), t.test(d[4:6], d[7:9]))
# (x7 + x28) / 2 * 21 - 21 * x0: three independent means, by Welch and Satterthwaite.
w <- c(-21, 10.5, 10.5)
v <- w^2 * sapply(by, var) / 3
e <- sum(w * sapply(by, mean))
df <- sum(v)^2 / sum(v^2 / 2)
q <- qt(0.975, df) * sqrt(sum(v))
cat("area", e, e - q, e + q, df, e / sqrt(sum(v)), 2 * pt(-abs(e) / sqrt(sum(v)), df), sep = "\t")
cat("\n")
own <- 10.5 * by$`7` + 10.5 * by$`28` - 21 * by$`0` # the same animals at all times
read("area_own", mean(own), t.test(own))
